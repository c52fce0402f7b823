import ArgumentParser

struct TopicEndCommand: DoorCommand {
    static let configuration = CommandConfiguration(
        commandName: "end",
        abstract: "End a topic: its readers get the rest and leave, and nothing more is published.",
        discussion: """
            Who follows it alone is told that it has ended, once it has everything, and does not \
            come back by itself. A topic that has ended stays as it is. 'topic reopen' undoes it.
            """
    )

    @Argument(
        help: "The topic.",
        completion: TopicCompletion.openTopics,
        transform: NameArgument.topic
    )
    var topic: String

    @OptionGroup var output: OutputOptions
    @OptionGroup var door: DoorOptions

    func run(_ client: AdminClient) async throws {
        let request = DoorRequest(.post, ["topics", self.topic, "end"])
        let answer = try await client.send(request)
        if self.output.json { return try Output.write(document: answer.body) }
        let end = try client.decode(EndAnswer.self, from: answer.body, request)
        try Output.write(line: "\(printable(end.topic)) \(end.sentence)")
    }
}

struct TopicReopenCommand: DoorCommand {
    static let configuration = CommandConfiguration(
        commandName: "reopen",
        abstract: "Let a topic that has ended take messages again.",
        discussion: """
            What is in it stays. Readers that were told its end come back only if they are made to.
            """
    )

    @Argument(
        help: "The topic.",
        completion: TopicCompletion.endedTopics,
        transform: NameArgument.topic
    )
    var topic: String

    @OptionGroup var output: OutputOptions
    @OptionGroup var door: DoorOptions

    func run(_ client: AdminClient) async throws {
        let request = DoorRequest(.post, ["topics", self.topic, "reopen"])
        let answer = try await client.send(request)
        if self.output.json { return try Output.write(document: answer.body) }
        let row = try client.decode(TopicRow.self, from: answer.body, request)
        try Output.write(line: "reopened \(printable(row.topic))")
    }
}

extension EndAnswer {
    /// One word, for lists.
    var state: String { self.reason == "stopped" ? "stopped" : "ended" }

    /// `has ended after id 1,043`, and how it came to that.
    var sentence: String {
        let verb = self.reason == "stopped" ? "was stopped by a reader" : "has ended"
        return self.lastId == 0
            ? "\(verb) without a message" : "\(verb) after id \(Quantity.count(self.lastId))"
    }
}
