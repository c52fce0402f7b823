import ArgumentParser
import Foundation
import TickertapeAccess
import TickertapeCore

/// Makes a JWT without a broker.
struct TokenSignCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sign",
        abstract: "Sign a JWT, for trying out; no broker is asked.",
        discussion: """
            What a backend does with a library of its own. The token alone goes to standard \
            output. A broker takes it whose 'serve --auth' has the other half of the key:

              tickertape token sign --secret-file s --subscribe '**' --expires 1h
              tickertape token sign --key-file private.pem --publish 'a/*' --expires 5m

            The first is for --jwt-secret-file s, the second for --jwt-key-file with what \
            'openssl pkey -in private.pem -pubout' prints.
            """
    )

    @Option(help: "A file with a secret of 32 bytes or more, for HS256.", completion: .file())
    var secretFile: String?

    @Option(help: "A file with a private key in PEM.", completion: .file())
    var keyFile: String?

    @Option(
        help: .init(
            "RS256, ES256, EdDSA or HS256; it follows from the key, and is checked against it.",
            valueName: "name"
        ),
        completion: .list(KeyAlgorithm.allCases.map(\.rawValue)),
        transform: Self.algorithm
    )
    var algorithm: KeyAlgorithm?

    @OptionGroup var grant: GrantOptions

    @Option(
        parsing: .unconditional,
        help: .init("When it ends: 5m, 1h (at most \(Self.daysMax)d).", valueName: "time"),
        transform: Self.lifetime
    )
    var expires: Int64

    @Option(parsing: .unconditional, help: "Whose it is (sub); shares of the broker go by it.")
    var subject: String?

    @Option(parsing: .unconditional, help: "Who makes it (iss), for 'serve --jwt-issuer'.")
    var issuer: String?

    @Option(
        parsing: .unconditionalSingleValue,
        help: "Whom it is for (aud), for 'serve --jwt-audience'; may be given several times."
    )
    var audience: [String] = []

    @Option(parsing: .unconditional, help: "The name of the key in a JWKS (kid).")
    var keyID: String?

    private static let daysMax: Int64 = 36_500

    func validate() throws {
        guard (self.secretFile == nil) != (self.keyFile == nil) else {
            throw ValidationError("Say what signs it: --secret-file or --key-file, one of them.")
        }
    }

    func run() async throws {
        let now = Int64(Date().timeIntervalSince1970)
        let grant = Grant(
            publish: try self.grant.publish.map { try TopicPattern($0) },
            subscribe: try self.grant.subscribe.map { try TopicPattern($0) },
            stop: try self.grant.stop.map { try TopicPattern($0) }
        )
        var draft = TokenSigner.Draft(
            grant: grant,
            issuedSeconds: now,
            expiresSeconds: now + self.expires
        )
        draft.subject = self.subject
        draft.issuer = self.issuer
        draft.audiences = self.audience
        draft.keyID = self.keyID
        let token = try await self.signer().sign(draft)
        let bytesMax = Limits().credentialBytesMax
        guard token.utf8.count <= bytesMax else {
            throw CommandFailure(
                "the token has \(token.utf8.count) bytes, and brokers take \(bytesMax)"
            )
        }
        try Output.write(line: token)
    }

    private func signer() throws -> TokenSigner {
        let path = self.secretFile ?? self.keyFile ?? ""
        do throws(KeyFileError) {
            let signer =
                self.secretFile == nil
                ? try TokenSigner(keyFile: path) : try TokenSigner(secretFile: path)
            guard self.algorithm == nil || self.algorithm == signer.algorithm else {
                throw KeyFileError("its key signs with \(signer.algorithm.rawValue)")
            }
            return signer
        } catch {
            throw CommandFailure("the file \(printable(path)) cannot be used: \(error)")
        }
    }

    private static func algorithm(_ text: String) throws -> KeyAlgorithm {
        let known = KeyAlgorithm.allCases.first { $0.rawValue.lowercased() == text.lowercased() }
        guard let known else {
            let names = KeyAlgorithm.allCases.map(\.rawValue).joined(separator: ", ")
            throw ValidationError("there are \(names)")
        }
        return known
    }

    private static func lifetime(_ text: String) throws -> Int64 {
        let seconds = try TypedQuantity.seconds(text)
        guard seconds <= Self.daysMax * 86_400 else {
            throw ValidationError("it is too large: at most \(Self.daysMax)d")
        }
        return seconds
    }
}
