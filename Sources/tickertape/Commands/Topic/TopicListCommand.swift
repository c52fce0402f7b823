import ArgumentParser

struct TopicListCommand: DoorCommand {
    enum Sort: String, ExpressibleByArgument, CaseIterable {
        case name, messages, bytes
        case lastId = "last_id"
        case rate, subscribers

        init?(argument: String) {
            self.init(rawValue: argument.replacing("-", with: "_"))
        }

        /// What may change while a list is read; a name does not.
        var value: ((ListedTopic) -> Double)? {
            switch self {
            case .name: nil
            case .messages: { Double($0.messages) }
            case .bytes: { Double($0.bytes) }
            case .lastId: { Double($0.lastId ?? 0) }
            case .rate: { $0.rate.tenSeconds }
            case .subscribers: { Double($0.subscribers) }
            }
        }

        var order: SortOrder { self == .name ? .asc : .desc }
    }

    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List topics, with what is in them and who follows.",
        discussion: """
            A pattern is a glob over levels: 'stocks/*' is one level below stocks, 'news/**' any \
            depth. Rates are messages that came in, weighted over the last 10 seconds.

              tickertape topic list 'stocks/*' --sort rate --limit 20
              tickertape topic list 'answers/*' --open
            """
    )

    @Argument(
        help: "The topics to list; all of them if left out.",
        completion: TopicCompletion.patterns,
        transform: NameArgument.pattern
    )
    var pattern: String?

    @Flag(help: "Only topics that have ended, or were stopped.")
    var ended = false

    @Flag(help: "Only topics that take messages.")
    var open = false

    @Option(help: "name, messages, bytes, last_id, rate or subscribers.")
    var sort = Sort.name

    @OptionGroup var list: ListOptions
    @OptionGroup var output: OutputOptions
    @OptionGroup var door: DoorOptions

    private static let columns: [Table.Column] = [
        .init(title: "TOPIC", isShrinkable: true, ink: .cyan),
        .init(title: "MESSAGES", alignment: .right),
        .init(title: "BYTES", alignment: .right, isOptional: true),
        .init(title: "RATE", alignment: .right, isOptional: true),
        .init(title: "SUBSCRIBERS", alignment: .right, isOptional: true),
        .init(title: "FIRST ID", alignment: .right, isOptional: true),
        .init(title: "LAST ID", alignment: .right, isOptional: true),
        .init(title: "STATE", isOptional: true),
        .init(title: "POLICY", isOptional: true, ink: .dim),
    ]

    func validate() throws {
        guard !self.ended || !self.open else {
            throw ValidationError("--ended and --open exclude each other.")
        }
    }

    private var state: String? {
        if self.ended { return "ended" }
        return self.open ? "open" : nil
    }

    func run(_ client: AdminClient) async throws {
        let list = PagedList<TopicPage<ListedTopic>>(
            client: client,
            name: "topics",
            choices: [("pattern", self.pattern), ("state", self.state)],
            order: ListOrder(
                sort: self.sort.rawValue,
                direction: self.list.direction(self.sort.order),
                steadySort: Sort.name.rawValue,
                value: self.sort.value
            ),
            options: self.list,
            columns: Self.columns
        ) { row in
            [
                printable(row.topic), Quantity.count(row.messages), Quantity.bytes(row.bytes),
                Quantity.rate(row.rate.tenSeconds), Quantity.count(row.subscribers),
                row.firstId.map(Quantity.count) ?? "-", row.lastId.map(Quantity.count) ?? "-",
                row.end?.state ?? "open", printable(row.policy),
            ]
        }
        try await list.show(asJSON: self.output.json)
    }
}
