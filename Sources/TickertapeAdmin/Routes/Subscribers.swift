import Hummingbird
import TickertapeBroker
import TickertapeCore
import TickertapeLog
import TickertapeWire

/// Subscriptions: listed, disconnected, and asked what retention would take from them.
extension RouteTable {
    mutating func addSubscribers(_ backend: AdminBackend) {
        self.add(.get, "/v1/subscribers") { try await list($0, backend) }
        self.add(.delete, "/v1/subscribers/{id}") { request in
            _ = try request.query([])
            let number = try request.id(of: "subscriber")
            guard await backend.broker.disconnect(subscriber: number) else {
                throw AdminProblem(.subscriberNotFound, "no subscriber has the id \(number)")
            }
            return .noContent
        }
        self.add(.post, "/v1/retention/plan") { request in
            _ = try request.query([])
            let policies = try planned(try await request.json(), backend.log.policies)
            let plan = try await RetentionPlan(policies, backend)
            return .json(.ok, plan.json)
        }
    }
}

/// What the list of subscribers is sorted by.
private enum SubscriberOrder: String, CaseIterable {
    case lag
    case id
    case opened
}

private func list(_ request: AdminRequest, _ backend: AdminBackend) async throws -> Response {
    let query = try request.query(["pattern", "sort", "order", "limit", "cursor"])
    let order = try query.choice("sort", of: SubscriberOrder.self) ?? .id
    let direction =
        try query.choice("order", of: SortDirection.self)
        ?? (order == .lag ? .descending : .ascending)
    let name = "subscribers-\(order.rawValue)-\(direction.rawValue)"
    let limit = Int(try query.integer("limit", in: 1...1_000) ?? 100)
    let cursor = try query.text("cursor").map { try ListCursor($0, list: name) }
    let pattern = try query.pattern("pattern")
    let head = backend.log.head
    let isAscending = direction == .ascending

    func key(_ entry: SubscriberEntry) -> (Int64, Int64) {
        switch order {
        case .lag: (entry.idsBehind(head: head), entry.number)
        case .id: (entry.number, entry.number)
        case .opened: (entry.openedMilliseconds, entry.number)
        }
    }
    func precedes(_ left: (Int64, Int64), _ right: (Int64, Int64)) -> Bool {
        if left.0 != right.0 { return isAscending ? left.0 < right.0 : left.0 > right.0 }
        return left.1 < right.1
    }

    var entries = await backend.broker.subscribers()
    if let pattern { entries.removeAll { !$0.filter.overlaps(pattern) } }
    let total = entries.count
    if let cursor {
        // Anybody can write a cursor: what is no number of ours must not be taken for one.
        guard let value = Int64(exactly: cursor.value), let number = Int64(cursor.name) else {
            throw ListCursor.foreign
        }
        let last = (value, number)
        entries.removeAll { !precedes(last, key($0)) }
    }
    entries.sort { precedes(key($0), key($1)) }
    let page = entries.prefix(limit)
    let now = nowMilliseconds()
    var rows: [(SubscriberEntry, Lag)] = []
    for entry in page {
        rows.append((entry, try await entry.lag(in: backend.log, head: head, now: now)))
    }
    var next: String?
    if entries.count > limit, let last = page.last {
        next = ListCursor(list: name, value: Double(key(last).0), name: "\(last.number)").text
    }
    var writer = JSONWriter(capacity: 256 * rows.count + 64)
    writer.object { writer in
        writer.array("subscribers", of: rows) { writer, row in
            writer.object { $0.fields(of: row.0, row.1) }
        }
        writer.field("next", next)
        writer.field("total", total)
    }
    return .json(.ok, writer)
}

extension TopicFilter {
    /// Whether some topic is both followed and among those the pattern stands for.
    func overlaps(_ pattern: TopicPattern) -> Bool {
        self.patterns.contains { $0.overlaps(pattern) }
    }
}

extension TopicPattern {
    /// Whether some topic matches both.
    func overlaps(_ other: TopicPattern) -> Bool {
        let separator = UInt8(ascii: "/")
        let left = self.text.utf8.split(separator: separator)
        let right = other.text.utf8.split(separator: separator)
        for (one, two) in zip(left, right) {
            if one.elementsEqual("**".utf8) || two.elementsEqual("**".utf8) { return true }
            let isEither = one.elementsEqual("*".utf8) || two.elementsEqual("*".utf8)
            guard isEither || one.elementsEqual(two) else { return false }
        }
        // '**' stands for at least one level, so it does not make up for one that is missing.
        return left.count == right.count
    }
}

private func planned(_ body: JSONValue, _ policies: PolicySet) throws -> PolicySet {
    let fields = try JSONFields(body, names: ["set", "remove"])
    var policies = policies
    guard !(fields.has("set") && fields.has("remove")) else {
        throw AdminProblem(.invalidBody, "give 'set' or 'remove', or neither for what is in force")
    }
    if let policy = fields.value("set") {
        policies.set(try Policy(policy, pattern: nil, in: "'set'"))
    }
    if let text = try fields.string("remove") {
        let pattern = try checkedPattern(text)
        guard policies.remove(pattern) else { throw noPolicy(pattern) }
    }
    return policies
}
