import ArgumentParser

struct TokenRevokeCommand: DoorCommand {
    static let configuration = CommandConfiguration(
        commandName: "revoke",
        abstract: "Revoke access tokens: they are good no longer, and their streams end.",
        discussion: """
            It takes effect within a second, and for good. A token that was revoked before stays \
            as it is. Where one of several does not exist the others are revoked all the same.
            """
    )

    @Argument(
        help: "The ids of the tokens, from 'token list'.",
        completion: TopicCompletion.tokens,
        transform: TypedQuantity.givenId
    )
    var ids: [Int64]

    @OptionGroup var output: OutputOptions
    @OptionGroup var door: DoorOptions

    func run(_ client: AdminClient) async throws {
        var documents: [[UInt8]] = []
        var missing: CommandFailure?
        for id in self.ids {
            let request = DoorRequest(.delete, ["tokens", String(id)])
            do {
                let answer = try await client.send(request)
                let row = try client.decode(TokenRow.self, from: answer.body, request)
                documents.append(Array(answer.body))
                if self.output.json { continue }
                try Output.write(line: row.revocation)
            } catch let failure as CommandFailure where failure.exitCode == .missing {
                if let missing { Output.tell(missing.sentence) }
                missing = failure
            }
        }
        if self.output.json, !documents.isEmpty {
            let list = documents.joined(separator: [UInt8(ascii: ",")])
            try Output.write(Array("{\"revoked\":[".utf8) + list + Array("]}\n".utf8))
        }
        if let missing { throw missing }
    }
}

extension TokenRow {
    fileprivate var revocation: String {
        let time = self.revokedAt.map { " since \(printable($0))" } ?? ""
        let note = self.note.isEmpty ? "" : ", \(printable(self.note))"
        return "token \(self.id) (\(printable(self.hint))…\(note)) is revoked\(time)"
    }
}
