import Hummingbird
import TickertapeCore
import TickertapeLog
import TickertapeWire

/// Topics: listed, shown, created, ended, reopened, deleted, purged.
extension RouteTable {
    mutating func addTopics(_ backend: AdminBackend) {
        self.add(.get, "/v1/topics") { try await list($0, backend) }
        self.add(.post, "/v1/topics") { request in
            _ = try request.query([])
            let fields = try JSONFields(try await request.json(), names: ["topic"])
            guard let text = try fields.string("topic") else {
                throw AdminProblem(.invalidBody, "give the name of the topic as 'topic'")
            }
            let topic = try checkedTopic(text)
            guard try await backend.log.createTopic(topic) else {
                throw AdminProblem(.topicExists, "the topic '\(topic)' exists already")
            }
            return try await row(of: topic, .created, backend)
        }
        self.add(.get, "/v1/topics/{topic}") { request in
            _ = try request.query([])
            return try await row(of: try request.topic(), .ok, backend)
        }
        self.add(.delete, "/v1/topics/{topic}") { request in
            _ = try request.query([])
            let topic = try request.topic()
            guard let removal = try await backend.log.deleteTopic(topic) else {
                throw noTopic(topic)
            }
            return .json(.ok, removal.json)
        }
        self.add(.post, "/v1/topics/{topic}/end") { request in
            _ = try request.query([])
            let topic = try request.topic()
            guard let end = try await backend.log.endTopic(topic, reason: .ended) else {
                throw noTopic(topic)
            }
            return .json(.ok, end.json)
        }
        self.add(.post, "/v1/topics/{topic}/reopen") { request in
            _ = try request.query([])
            let topic = try request.topic()
            guard let hadEnded = try await backend.log.reopenTopic(topic) else {
                throw noTopic(topic)
            }
            guard hadEnded else {
                throw AdminProblem(.topicNotEnded, "the topic '\(topic)' takes messages already")
            }
            return try await row(of: topic, .ok, backend)
        }
        self.add(.post, "/v1/topics/{topic}/purge") { request in
            _ = try request.query([])
            let topic = try request.topic()
            let fields = try JSONFields(
                try await request.json(),
                names: ["before_id", "before_time", "dry_run"]
            )
            let id = try await purgeID(fields, backend)
            let removal =
                try fields.bool("dry_run") ?? false
                ? try await backend.log.planPurge(topic, before: id)
                : try await backend.log.purgeTopic(topic, before: id)
            guard let removal else { throw noTopic(topic) }
            return .json(.ok, removal.json)
        }
    }
}

func noTopic(_ topic: TopicName) -> AdminProblem {
    AdminProblem(.topicNotFound, "there is no topic '\(topic)'")
}

extension TopicRemoval {
    fileprivate var json: JSONWriter {
        var writer = JSONWriter()
        writer.object { $0.fields(of: self) }
        return writer
    }
}

extension TopicEnd {
    fileprivate var json: JSONWriter {
        var writer = JSONWriter()
        writer.object { $0.fields(of: self) }
        return writer
    }
}

extension JSONWriter {
    /// How a topic has ended.
    mutating func fields(of end: TopicEnd) {
        self.field("topic", end.topic.text)
        self.field("reason", end.reason.rawValue)
        self.field("last_id", end.lastID)
        self.time("time", milliseconds: end.timeMilliseconds)
    }

    mutating func fields(of removal: TopicRemoval) {
        self.field("topic", removal.topic.text)
        self.field("messages", removal.messages)
        self.field("bytes", removal.bytes)
        self.field("removed_through", removal.removedThrough)
    }
}

private func row(
    of topic: TopicName,
    _ status: HTTPResponse.Status,
    _ backend: AdminBackend
) async throws -> Response {
    let rows = await TopicRows(backend)
    guard let row = rows.row(of: topic) else { throw noTopic(topic) }
    var writer = JSONWriter(capacity: 1_024)
    try await rows.write([row], backend, into: &writer)
    return .json(status, writer)
}

/// Messages with smaller ids than this go.
private func purgeID(_ fields: JSONFields, _ backend: AdminBackend) async throws -> Int64 {
    let id = try fields.integer("before_id", in: 0...Int64.max)
    let time = try fields.string("before_time")
    switch (id, time) {
    case (.some(let id), nil): return id
    case (nil, .some(let text)):
        guard let milliseconds = millisecondsSince1970(rfc3339: text) else {
            throw AdminProblem(
                .invalidBody,
                """
                'before_time' is a time such as 2026-01-02T09:30:00Z, not '\(shortened(text))'
                """
            )
        }
        return try await backend.log.firstID(atOrAfter: milliseconds)
    default:
        throw AdminProblem(.invalidBody, "give either 'before_id' or 'before_time'")
    }
}

private func list(_ request: AdminRequest, _ backend: AdminBackend) async throws -> Response {
    let query = try request.query(["pattern", "state", "sort", "order", "limit", "cursor"])
    let order = try query.choice("sort", of: TopicOrder.self) ?? .name
    let direction =
        try query.choice("order", of: SortDirection.self)
        ?? (order == .name ? .ascending : .descending)
    let name = "topics-\(order.rawValue)-\(direction.rawValue)"
    let listing = TopicListing(
        order: order,
        direction: direction,
        pattern: try query.pattern("pattern"),
        choice: try query.choice("state", of: TopicChoice.self) ?? .all,
        limit: Int(try query.integer("limit", in: 1...1_000) ?? 100),
        cursor: try query.text("cursor").map { try ListCursor($0, list: name) }
    )
    let rows = await TopicRows(backend)
    let table = rows.table
    let page = listing.page(of: table) { row in
        switch order {
        case .name: 0
        case .messages: Double(table.messageCounts[row])
        case .bytes: Double(table.byteCounts[row])
        case .lastID: Double(table.lastIDs[row])
        case .rate: rows.rates.rate(row: row)
        case .subscribers: Double(rows.tally.count(of: table.names[row]))
        }
    }
    var elements = JSONWriter(capacity: 512 * page.rows.count + 64)
    try await rows.write(page.rows, backend, into: &elements)
    var writer = JSONWriter(capacity: elements.buffer.readableBytes + 256)
    writer.object { writer in
        writer.array("topics") { $0.elements(written: elements.buffer) }
        var next: String?
        if page.hasMore, let last = page.rows.last, let value = page.values.last {
            next = ListCursor(list: name, value: value, name: table.names[last].text).text
        }
        writer.field("next", next)
        writer.field("total", page.total)
    }
    return .json(.ok, writer)
}
