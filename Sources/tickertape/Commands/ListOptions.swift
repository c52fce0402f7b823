import ArgumentParser

/// How much of a list is wanted.
struct ListOptions: ParsableArguments {
    @Option(parsing: .unconditional, help: "The most rows that are shown; at least 1.")
    var limit = 100

    @Flag(help: "Show all, page by page, however many there are.")
    var all = false

    @Flag(help: "Turn the order around.")
    var reverse = false

    @Option(help: "asc or desc. (default: the one that shows what matters first)")
    var order: SortOrder?

    func validate() throws {
        guard self.limit >= 1 else { throw ValidationError("--limit is at least 1.") }
    }

    func direction(_ natural: SortOrder) -> SortOrder {
        let order = self.order ?? natural
        return self.reverse ? order.reversed : order
    }
}

enum SortOrder: String, ExpressibleByArgument, CaseIterable {
    case asc, desc

    var reversed: SortOrder { self == .asc ? .desc : .asc }
}
