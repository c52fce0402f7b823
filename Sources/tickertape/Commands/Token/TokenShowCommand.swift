import ArgumentParser

struct TokenShowCommand: DoorCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Show what one access token grants, and whether it is good."
    )

    @Argument(
        help: "The id of the token, from 'token list'.",
        completion: TopicCompletion.tokens,
        transform: TypedQuantity.givenId
    )
    var id: Int64

    @OptionGroup var output: OutputOptions
    @OptionGroup var door: DoorOptions

    func run(_ client: AdminClient) async throws {
        let request = DoorRequest(.get, ["tokens", String(self.id)])
        let answer = try await client.send(request)
        if self.output.json { return try Output.write(document: answer.body) }
        let row = try client.decode(TokenRow.self, from: answer.body, request)
        try Output.write(lines: row.facts(title: "token \(row.id)").lines(Output.style))
    }
}
