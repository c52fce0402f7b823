import ArgumentParser

struct TopicDeleteCommand: DoorCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete",
        abstract: "Delete a topic with all its messages, and end its streams.",
        discussion: """
            Who follows it alone is told that it is gone and does not come back by itself. A \
            publish, or 'topic create', brings it back without its messages. Asks first; --yes \
            does not.
            """
    )

    @Argument(
        help: "The topic.",
        completion: TopicCompletion.topics,
        transform: NameArgument.topic
    )
    var topic: String

    @Flag(name: .shortAndLong, help: "Do not ask.")
    var yes = false

    @OptionGroup var output: OutputOptions
    @OptionGroup var door: DoorOptions

    func run(_ client: AdminClient) async throws {
        if !self.yes {
            try Confirmation.demandTerminal(for: "topic delete")
            let row = try await client.get(
                DoorRequest(.get, ["topics", self.topic]),
                as: TopicRow.self
            )
            try Confirmation.ask(
                "Delete \(printable(row.topic)) with \(Quantity.counted(row.messages, "message")) "
                    + "(\(Quantity.bytes(row.bytes))), followed by "
                    + "\(Quantity.counted(row.subscribers, "subscriber"))?"
            )
        }
        let request = DoorRequest(.delete, ["topics", self.topic]).takingLong()
        let answer = try await Progress.during("deleting \(printable(self.topic))") {
            try await client.send(request)
        }
        if self.output.json { return try Output.write(document: answer.body) }
        let removal = try client.decode(RemovalAnswer.self, from: answer.body, request)
        try Output.write(line: "deleted \(printable(removal.topic)): \(removal.sentence)")
    }
}

extension RemovalAnswer {
    var sentence: String {
        let amount = "\(Quantity.counted(self.messages, "message")), \(Quantity.bytes(self.bytes))"
        guard let through = self.removedThrough, self.messages > 0 else { return amount }
        return "\(amount), up to id \(Quantity.count(through))"
    }
}
