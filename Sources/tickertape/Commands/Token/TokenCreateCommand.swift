import ArgumentParser
import TickertapeCore

/// How long a token is good.
enum TokenLifetime: Equatable, Sendable {
    case never
    case seconds(Int64)

    static let usual = TokenLifetime.seconds(90 * 86_400)

    /// - Throws: A sentence when it is none.
    static func reading(_ text: String) throws -> TokenLifetime {
        if text.lowercased() == "never" { return .never }
        let seconds = try TypedQuantity.seconds(text)
        guard seconds <= StoredToken.lifetimeDaysMax * 86_400 else {
            throw ValidationError(
                "it is too large: at most \(StoredToken.lifetimeDaysMax)d; "
                    + "'never' is for a token without an end"
            )
        }
        return .seconds(seconds)
    }

    var seconds: Int64? {
        guard case .seconds(let seconds) = self else { return nil }
        return seconds
    }
}

struct TokenCreateCommand: DoorCommand {
    static let configuration = CommandConfiguration(
        commandName: "create",
        abstract: "Create an access token, and print it once.",
        discussion: """
            The token alone goes to standard output, what it grants to standard error, so that \
            this works in a script. It cannot be shown again: keep it where it is needed.

              TOKEN=$(tickertape token create --publish 'stocks/**' --expires 30d)
              tickertape token create --subscribe '**' --expires never --note 'wall display'
              tickertape token create --subscribe 'answers/*' --stop 'answers/*' --expires 1d
            """
    )

    @OptionGroup var grant: GrantOptions

    @Option(
        parsing: .unconditional,
        help: .init(
            "When it ends: 30d, 12h (at most \(StoredToken.lifetimeDaysMax)d), or never. "
                + "(default: 90d)",
            valueName: "time"
        ),
        transform: TokenLifetime.reading
    )
    var expires: TokenLifetime?

    @Option(
        parsing: .unconditional,
        help: "A word on it, for people; at most \(StoredToken.noteBytesMax) bytes."
    )
    var note = ""

    @OptionGroup var output: OutputOptions
    @OptionGroup var door: DoorOptions

    func validate() throws {
        let bytes = self.note.utf8.count
        guard bytes <= StoredToken.noteBytesMax else {
            throw ValidationError(
                "--note has \(Quantity.count(Int64(bytes))) bytes, but at most "
                    + "\(StoredToken.noteBytesMax) are kept."
            )
        }
    }

    func run(_ client: AdminClient) async throws {
        let wanted = TokenRequest(
            publish: self.grant.publish,
            subscribe: self.grant.subscribe,
            stop: self.grant.stop,
            expiresInSeconds: (self.expires ?? .usual).seconds,
            note: self.note
        )
        let request = try DoorRequest(.post, ["tokens"]).json(wanted)
        let answer = try await client.send(request)
        let row = try client.decode(TokenRow.self, from: answer.body, request)
        let made = try client.decode(NewTokenAnswer.self, from: answer.body, request)
        do {
            if self.output.json { return try Output.write(document: answer.body) }
            try Output.write(line: printable(made.token))
        } catch {
            // Nobody has seen it, and nobody ever will.
            Output.tell(
                "token \(row.id) was created but could not be shown; "
                    + "revoke it with: tickertape token revoke \(row.id)"
            )
            throw error
        }
        let lines = row.facts(title: "new token \(row.id)").lines(Output.errorStyle)
        let end = "The token is shown this once; the broker keeps only a hash of it."
        Output.writeError((lines + [end]).joined(separator: "\n") + "\n")
    }
}
