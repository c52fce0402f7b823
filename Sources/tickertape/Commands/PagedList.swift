import Foundation

/// One page of a list.
protocol ListPage: Decodable, Sendable {
    associatedtype Row: Sendable
    var rows: [Row] { get }
    var next: String? { get }
    var total: Int64 { get }
}

extension TopicPage: ListPage {
    var rows: [Row] { self.topics }
}

extension SubscriberPage: ListPage {
    var rows: [SubscriberRow] { self.subscribers }
}

extension TokenPage: ListPage {
    var rows: [TokenRow] { self.tokens }
}

/// What a list is sorted by.
struct ListOrder<Row> {
    let sort: String
    let direction: SortOrder
    /// Sorts by something that stays while a list is read.
    let steadySort: String
    /// What it is sorted by, where that may change meanwhile.
    let value: ((Row) -> Double)?
}

/// Reads a list from the door, page by page, and prints each as it comes.
struct PagedList<Page: ListPage> {
    private struct Place: Decodable {
        let next: String?
        let total: Int64
    }

    private static var pageMax: Int { 1_000 }

    let client: AdminClient
    /// The name of the list in the path and in the answer.
    let name: String
    /// Which rows it is about: parameters of the list, each with nothing for all.
    let choices: [(name: String, value: String?)]
    let order: ListOrder<Page.Row>
    let options: ListOptions
    /// For people: the columns, and the cells of a row.
    let columns: [Table.Column]
    let cells: (Page.Row) -> [String]

    private func request(after cursor: String?, shown: Int) -> DoorRequest {
        let isPart = !self.options.all && !self.needsWhole
        let room = isPart ? min(Self.pageMax, self.options.limit - shown) : Self.pageMax
        return DoorRequest(
            .get,
            [self.name],
            query: self.choices + [
                ("sort", self.needsWhole ? self.order.steadySort : self.order.sort),
                ("order", self.needsWhole ? "asc" : self.order.direction.rawValue),
                ("limit", "\(room)"), ("cursor", cursor),
            ]
        )
    }

    /// Whether all has to be read in an order that does not change meanwhile, and sorted here: by a
    /// value that moves from page to page some rows would come twice, and others never.
    private var needsWhole: Bool {
        self.order.value != nil && (self.options.all || self.options.limit > Self.pageMax)
    }

    func show(asJSON: Bool) async throws {
        switch (self.needsWhole, asJSON) {
        case (false, false): try await self.printTable()
        case (false, true): try await self.printJSON()
        case (true, _): try await self.printWhole(asJSON: asJSON)
        }
    }

    private func isFull(_ shown: Int) -> Bool { !self.options.all && shown >= self.options.limit }

    private func printTable() async throws {
        var table = Table(columns: self.columns, width: Output.width, style: Output.style)
        let progress = Progress(isTerminal: Output.isErrorTerminal && !Output.isTerminal)
        defer { progress.clear() }
        var shown = 0
        var cursor: String?
        while true {
            let request = self.request(after: cursor, shown: shown)
            let page = try await self.client.get(request, as: Page.self)
            shown += page.rows.count
            if shown > 0 { try Output.write(lines: table.lines(of: page.rows.map(self.cells))) }
            progress.show(
                "\(Quantity.count(Int64(shown))) of \(Quantity.count(page.total)) \(self.name)"
            )
            cursor = page.next
            guard cursor != nil, !self.isFull(shown) else {
                progress.clear()
                self.tellRest(shown, of: page.total)
                return
            }
        }
    }

    private func tellRest(_ shown: Int, of total: Int64) {
        if shown == 0 {
            Output.tell("there are no \(self.name) to show")
        } else if !self.options.all, total > Int64(shown) {
            Output.tell(
                "these are \(Quantity.count(Int64(shown))) of \(Quantity.count(total)) "
                    + "\(self.name); --all shows all, --limit N more or less"
            )
        }
    }

    private func printWhole(asJSON: Bool) async throws {
        var rows: [(value: Double, row: Page.Row, text: [UInt8])] = []
        let progress = Progress()
        defer { progress.clear() }
        var cursor: String?
        repeat {
            let request = self.request(after: cursor, shown: 0)
            let body = Array(try await self.client.send(request).body)
            let page = try self.client.decode(Page.self, from: Data(body), request)
            let contents = JSONMembers.arrayContents(of: self.name, in: body) ?? []
            let texts = asJSON ? JSONMembers.elements(of: contents) : []
            for (index, row) in page.rows.enumerated() {
                let text = index < texts.count ? Array(texts[index]) : []
                rows.append((self.order.value?(row) ?? 0, row, text))
            }
            progress.show(
                "\(Quantity.count(Int64(rows.count))) of \(Quantity.count(page.total)) \(self.name)"
            )
            cursor = page.next
        } while cursor != nil
        progress.clear()
        let total = rows.count
        // Stable: rows of one value keep their steady order.
        let isAscending = self.order.direction == .asc
        rows.sort { isAscending ? $0.value < $1.value : $0.value > $1.value }
        if !self.options.all { rows.removeLast(max(0, total - self.options.limit)) }
        if asJSON {
            let list = rows.map(\.text).joined(separator: [UInt8(ascii: ",")])
            let end = "],\"next\":null,\"total\":\(total)}\n"
            return try Output.write(Array("{\"\(self.name)\":[".utf8) + list + Array(end.utf8))
        }
        var table = Table(columns: self.columns, width: Output.width, style: Output.style)
        if total > 0 { try Output.write(lines: table.lines(of: rows.map { self.cells($0.row) })) }
        self.tellRest(rows.count, of: Int64(total))
    }

    /// One document, though its rows come in pages: `{"topics":[…],"next":…,"total":…}`.
    private func printJSON() async throws {
        var shown = 0
        var cursor: String?
        while true {
            let request = self.request(after: cursor, shown: shown)
            let body = Array(try await self.client.send(request).body)
            guard let rows = JSONMembers.arrayContents(of: self.name, in: body) else {
                throw CommandFailure("the broker's answer has no \(self.name) in it")
            }
            let place = try self.client.decode(Place.self, from: Data(body), request)
            // Not before there is an answer: a failure prints nothing.
            if shown == 0 {
                try Output.write("{\"\(self.name)\":[")
            } else if !rows.isEmpty {
                try Output.write(",")
            }
            try Output.write(Array(rows))
            shown += Self.pageMax
            cursor = place.next
            guard let next = cursor, !self.isFull(shown) else {
                let end = String(decoding: try DoorJSON.encoder.encode(cursor), as: UTF8.self)
                try Output.write("],\"next\":\(end),\"total\":\(place.total)}\n")
                return
            }
            cursor = next
        }
    }
}
