import ArgumentParser
import Foundation

struct TopicPurgeCommand: DoorCommand {
    /// Where the messages that stay begin.
    private struct Edge: Encodable {
        var beforeId: Int64?
        var beforeTime: String?
        /// Left out where something is removed.
        var dryRun: Bool?

        var text: String {
            self.beforeId.map { "id \(Quantity.count($0))" } ?? self.beforeTime ?? ""
        }
    }

    static let configuration = CommandConfiguration(
        commandName: "purge",
        abstract: "Remove the older messages of a topic.",
        discussion: """
            Removes what has a smaller id, or came earlier, and keeps the rest. A subscriber that \
            has not read that far is told of the gap. Asks first; --yes does not.

              tickertape topic purge chat/lobby --before 1043
              tickertape topic purge chat/lobby --before 2026-01-31T09:30:00Z
              tickertape topic purge chat/lobby --before 30d
            """
    )

    @Argument(
        help: "The topic.",
        completion: TopicCompletion.topics,
        transform: NameArgument.topic
    )
    var topic: String

    @Option(
        parsing: .unconditional,
        help: "An id, a time (RFC 3339, or a date), or an age such as 30d."
    )
    var before: String

    @Flag(name: .shortAndLong, help: "Do not ask.")
    var yes = false

    @OptionGroup var output: OutputOptions
    @OptionGroup var door: DoorOptions

    func validate() throws { _ = try self.edge() }

    private func edge() throws -> Edge {
        let now = Int64(Date().timeIntervalSince1970 * 1_000)
        do {
            if let id = try TypedQuantity.id(self.before) { return Edge(beforeId: id) }
            return Edge(beforeTime: try TypedTime.moment(self.before, nowMilliseconds: now))
        } catch let error as ValidationError {
            throw ValidationError(
                "--before '\(printable(self.before))' is neither an id nor a time: \(error.message)."
            )
        }
    }

    private func request(_ edge: Edge) throws -> DoorRequest {
        try DoorRequest(.post, ["topics", self.topic, "purge"]).json(edge).takingLong()
    }

    private func question(_ client: AdminClient, _ edge: Edge) async throws -> String {
        var plan = edge
        plan.dryRun = true
        let request = try self.request(plan)
        let answer = try await Progress.during("counting messages of \(printable(self.topic))") {
            try await client.send(request)
        }
        let removal = try client.decode(RemovalAnswer.self, from: answer.body, request)
        let row = try await client.get(
            DoorRequest(.get, ["topics", self.topic]),
            as: TopicRow.self
        )
        let rest =
            removal.messages >= row.messages
            ? "all it has" : "of \(Quantity.counted(row.messages, "message"))"
        return "This removes \(removal.sentence), from \(printable(row.topic)): \(rest).\n"
            + "Remove what is before \(edge.text)?"
    }

    func run(_ client: AdminClient) async throws {
        let edge = try self.edge()
        if !self.yes {
            try Confirmation.demandTerminal(for: "topic purge")
            try Confirmation.ask(try await self.question(client, edge))
        }
        let request = try self.request(edge)
        let answer = try await Progress.during("purging \(printable(self.topic))") {
            try await client.send(request)
        }
        if self.output.json { return try Output.write(document: answer.body) }
        let removal = try client.decode(RemovalAnswer.self, from: answer.body, request)
        try Output.write(
            line: "removed from \(printable(removal.topic)): \(removal.sentence)"
        )
    }
}
