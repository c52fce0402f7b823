import ArgumentParser

/// What is kept of which topics.
struct PolicyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "policy",
        abstract: "List, set, remove and explain policies: what is kept, and what is taken.",
        discussion: """
            A policy belongs to a pattern. Of those that match a topic the most specific applies, \
            and applies whole: what it leaves open has no limit. The policy of ** always exists.
            """,
        subcommands: [
            PolicyListCommand.self, PolicySetCommand.self, PolicyRemoveCommand.self,
            PolicyExplainCommand.self,
        ]
    )
}

struct PolicyListCommand: DoorCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List all policies, the most specific first."
    )

    @OptionGroup var output: OutputOptions
    @OptionGroup var door: DoorOptions

    func run(_ client: AdminClient) async throws {
        let request = DoorRequest(.get, ["policies"])
        let answer = try await client.send(request)
        if self.output.json { return try Output.write(document: answer.body) }
        let list = try client.decode(PolicyList.self, from: answer.body, request)
        try Output.write(lines: list.policies.tableLines(width: Output.width, Output.style))
    }
}

struct PolicyExplainCommand: DoorCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain",
        abstract: "Show which policy applies to a topic, and why; the topic need not exist."
    )

    @Argument(
        help: "The topic.",
        completion: TopicCompletion.topics,
        transform: NameArgument.topic
    )
    var topic: String

    @OptionGroup var output: OutputOptions
    @OptionGroup var door: DoorOptions

    func run(_ client: AdminClient) async throws {
        let request = DoorRequest(.get, ["topics", self.topic, "policy"])
        let answer = try await client.send(request)
        if self.output.json { return try Output.write(document: answer.body) }
        let explained = try client.decode(PolicyExplanation.self, from: answer.body, request)
        var facts = Facts(title: explained.topic)
        facts.add("policy", printable(explained.policy.pattern ?? ""))
        facts.add("why", printable(explained.reason))
        for (name, value) in explained.policy.facts { facts.add(name, value) }
        if !explained.alsoMatching.isEmpty {
            facts.add("also match", printable(explained.alsoMatching.joined(separator: " ")))
        }
        try Output.write(lines: facts.lines(Output.style))
    }
}

extension PolicyRow {
    private static let noLimit = "no limit"

    /// Names and values for people.
    var facts: [(String, String)] {
        let ended = self.removesEndedAfterSeconds.map { Quantity.age(seconds: $0) }
        var facts: [(String, String)] = [
            (
                "maximum age",
                self.maxAgeSeconds.map { Quantity.age(seconds: $0) } ?? Self.noLimit
            ),
            ("messages", self.maxMessages.map(Quantity.count) ?? Self.noLimit),
            ("bytes", self.maxBytes.map(Quantity.bytes) ?? Self.noLimit),
            ("ended topics", ended.map { "deleted after \($0)" } ?? "kept"),
            (
                "bytes a message",
                self.maxMessageBytes.map(Quantity.bytes) ?? "no limit but the broker's"
            ),
            (
                "publishes of a client",
                self.maxPublishesPerSecond.map { Quantity.exact($0) + "/s" } ?? Self.noLimit
            ),
            (
                "bytes of a client",
                self.maxPublishBytesPerSecond.map(Quantity.bytesRate) ?? Self.noLimit
            ),
            (
                "new topics",
                self.createsTopics
                    ? "created by publishing" : "only by 'tickertape topic create'"
            ),
        ]
        if !self.description.isEmpty { facts.append(("description", printable(self.description))) }
        return facts
    }
}

extension [PolicyRow] {
    private static let columns: [Table.Column] = [
        .init(title: "PATTERN", isShrinkable: true, ink: .cyan),
        .init(title: "MAX AGE", alignment: .right),
        .init(title: "MESSAGES", alignment: .right, isOptional: true),
        .init(title: "BYTES", alignment: .right, isOptional: true),
        .init(title: "ENDED TOPICS", alignment: .right, isOptional: true),
        .init(title: "MESSAGE BYTES", alignment: .right, isOptional: true),
        .init(title: "PUBLISHES", alignment: .right, isOptional: true),
        .init(title: "PUBLISH BYTES", alignment: .right, isOptional: true),
        .init(title: "CREATES TOPICS", isOptional: true),
        .init(title: "DESCRIPTION", isShrinkable: true, isOptional: true, ink: .dim),
    ]

    func tableLines(width: Int?, _ style: Style) -> [String] {
        var table = Table(columns: Self.columns, width: width, style: style)
        return table.lines(
            of: self.map { row in
                [
                    printable(row.pattern ?? ""),
                    row.maxAgeSeconds.map { Quantity.age(seconds: $0) } ?? "-",
                    row.maxMessages.map(Quantity.count) ?? "-",
                    row.maxBytes.map(Quantity.bytes) ?? "-",
                    row.removesEndedAfterSeconds.map { Quantity.age(seconds: $0) } ?? "-",
                    row.maxMessageBytes.map(Quantity.bytes) ?? "-",
                    row.maxPublishesPerSecond.map { Quantity.exact($0) + "/s" } ?? "-",
                    row.maxPublishBytesPerSecond.map(Quantity.bytesRate) ?? "-",
                    row.createsTopics ? "yes" : "no",
                    printable(row.description),
                ]
            }
        )
    }
}
