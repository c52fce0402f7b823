import ArgumentParser

struct TokenListCommand: DoorCommand {
    enum Sort: String, ExpressibleByArgument, CaseIterable {
        case id, expires
    }

    enum State: String, ExpressibleByArgument, CaseIterable {
        case active, expired, revoked, all
    }

    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List access tokens: those that are good, unless others are asked for.",
        discussion: """
            Tokens that have expired or were revoked are kept for 30 days, to be looked up.

              tickertape token list --sort expires    # those that end first
              tickertape token list --all             # also those that have ended
            """
    )

    @Option(help: "active, expired, revoked or all. (default: active; with --all: all)")
    var state: State?

    @Option(help: "id or expires.")
    var sort = Sort.id

    @OptionGroup var list: ListOptions
    @OptionGroup var output: OutputOptions
    @OptionGroup var door: DoorOptions

    private static let columns: [Table.Column] = [
        .init(title: "ID", alignment: .right),
        .init(title: "TOKEN", ink: .cyan),
        .init(title: "STATE"),
        .init(title: "PUBLISH", isShrinkable: true),
        .init(title: "SUBSCRIBE", isShrinkable: true),
        .init(title: "STOP", isShrinkable: true, isOptional: true),
        .init(title: "EXPIRES", isOptional: true),
        .init(title: "NOTE", isShrinkable: true, isOptional: true),
        .init(title: "CREATED", isOptional: true, ink: .dim),
    ]

    func run(_ client: AdminClient) async throws {
        let state = self.state ?? (self.list.all ? .all : .active)
        let list = PagedList<TokenPage>(
            client: client,
            name: "tokens",
            choices: [("state", state.rawValue)],
            order: ListOrder(
                sort: self.sort.rawValue,
                direction: self.list.direction(.asc),
                steadySort: Sort.id.rawValue,
                // Neither an id nor an end ever changes.
                value: nil
            ),
            options: self.list,
            columns: Self.columns
        ) { row in
            [
                "\(row.id)", printable(row.hint) + "…", printable(row.state),
                row.publish.isEmpty ? "-" : TokenRow.list(row.publish),
                row.subscribe.isEmpty ? "-" : TokenRow.list(row.subscribe),
                row.stop.isEmpty ? "-" : TokenRow.list(row.stop),
                row.expiresAt.map(printable) ?? "never",
                row.note.isEmpty ? "-" : printable(row.note), printable(row.createdAt),
            ]
        }
        try await list.show(asJSON: self.output.json)
    }
}
