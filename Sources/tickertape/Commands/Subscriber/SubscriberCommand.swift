import ArgumentParser

/// Who follows.
struct SubscriberCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "subscriber",
        abstract: "List subscribers with their lag, and disconnect them.",
        subcommands: [SubscriberListCommand.self, SubscriberDisconnectCommand.self]
    )
}

struct SubscriberListCommand: DoorCommand {
    enum Sort: String, ExpressibleByArgument, CaseIterable {
        case lag, id, opened

        var order: SortOrder { self == .lag ? .desc : .asc }
    }

    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List subscribers, the one that is furthest behind first."
    )

    @Argument(
        help: "Those that follow something under this pattern; all if left out.",
        completion: TopicCompletion.patterns,
        transform: NameArgument.pattern
    )
    var pattern: String?

    @Option(help: "lag, id or opened.")
    var sort = Sort.lag

    @OptionGroup var list: ListOptions
    @OptionGroup var output: OutputOptions
    @OptionGroup var door: DoorOptions

    private static let columns: [Table.Column] = [
        .init(title: "ID", alignment: .right),
        .init(title: "TOPICS", isShrinkable: true, ink: .cyan),
        .init(title: "STATE"),
        .init(title: "BEHIND", alignment: .right),
        .init(title: "SECONDS", alignment: .right, isOptional: true),
        .init(title: "TRANSPORT", isOptional: true),
        .init(title: "ADDRESS", isOptional: true),
        .init(title: "OPENED", isOptional: true, ink: .dim),
    ]

    func run(_ client: AdminClient) async throws {
        let list = PagedList<SubscriberPage>(
            client: client,
            name: "subscribers",
            choices: [("pattern", self.pattern)],
            order: ListOrder(
                sort: self.sort.rawValue,
                direction: self.list.direction(self.sort.order),
                steadySort: Sort.id.rawValue,
                value: self.sort == .lag ? { Double($0.idsBehind) } : nil
            ),
            options: self.list,
            columns: Self.columns
        ) { row in
            [
                "\(row.id)", printable(row.topics.joined(separator: " ")), printable(row.state),
                Quantity.count(row.idsBehind),
                row.secondsBehind > 0 ? Quantity.duration(seconds: row.secondsBehind) : "0 s",
                printable(row.transport) + (row.name.map { " '\(printable($0))'" } ?? ""),
                printable(row.address), printable(row.openedAt),
            ]
        }
        try await list.show(asJSON: self.output.json)
    }
}

struct SubscriberDisconnectCommand: DoorCommand {
    static let configuration = CommandConfiguration(
        commandName: "disconnect",
        abstract: "Close a subscriber's connection.",
        discussion: "A client that reconnects by itself, as an EventSource does, comes back."
    )

    @Argument(
        help: "The id of the subscriber, from 'subscriber list'.",
        completion: TopicCompletion.subscribers,
        transform: TypedQuantity.givenId
    )
    var id: Int64

    @OptionGroup var output: OutputOptions
    @OptionGroup var door: DoorOptions

    func run(_ client: AdminClient) async throws {
        _ = try await client.send(DoorRequest(.delete, ["subscribers", String(self.id)]))
        if self.output.json { return try Output.write(document: ["disconnected": self.id]) }
        try Output.write(line: "disconnected subscriber \(self.id)")
    }
}
