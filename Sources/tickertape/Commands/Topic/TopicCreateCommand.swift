import ArgumentParser

struct TopicCreateCommand: DoorCommand {
    static let configuration = CommandConfiguration(
        commandName: "create",
        abstract: "Create an empty topic.",
        discussion: """
            A publish creates its topic by itself, unless the policy has --no-create-topics; then \
            this is the way. A topic that was deleted comes back.
            """
    )

    @Argument(help: "The topic.", transform: NameArgument.topic)
    var topic: String

    @OptionGroup var output: OutputOptions
    @OptionGroup var door: DoorOptions

    func run(_ client: AdminClient) async throws {
        let request = try DoorRequest(.post, ["topics"]).json(["topic": self.topic])
        let answer = try await client.send(request)
        if self.output.json { return try Output.write(document: answer.body) }
        let row = try client.decode(TopicRow.self, from: answer.body, request)
        try Output.write(
            line: "created \(printable(row.topic)) (policy \(printable(row.policy)))"
        )
    }
}
