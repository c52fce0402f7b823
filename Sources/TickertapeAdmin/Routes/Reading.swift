import HTTPTypes
import Hummingbird
import NIOCore
import TickertapeBroker
import TickertapeCore
import TickertapeLog
import TickertapeWire

/// Messages: a page of them, or all that come.
extension RouteTable {
    mutating func addReading(_ backend: AdminBackend) {
        self.add(.get, "/v1/messages") { request in
            let query = try request.query(["topic", "after", "tail", "since", "limit"])
            let limits = backend.limits
            let range = 1...Int64(limits.historyMessagesMax)
            let limit =
                try query.integer("limit", in: range) ?? Int64(limits.historyMessagesDefault)
            let start = try ReadStart(query, backend.limits, header: nil) ?? .after(0)
            let filter = try query.filter("topic", max: limits.topicsPerStreamMax)
            let reader = FilterReader(log: backend.log, filter: filter)
            return .json(.ok, try await history(reader, start, Int(limit), limits))
        }
        self.add(.get, "/v1/events") { request in
            let query = try request.query(["topic", "after", "tail", "since"])
            let start = try ReadStart(
                query,
                backend.limits,
                header: request.request.headers[.lastEventID]
            )
            let filter = try query.filter("topic", max: backend.limits.topicsPerStreamMax)
            let reader = FilterReader(log: backend.log, filter: filter)
            // What is committed once the answer is out is followed.
            let position = try await reader.position(start ?? .live)
            let stream = AdminEventStream(
                filter: filter,
                position: position,
                backend: backend
            )
            return try stream.response(to: request.request)
        }
    }
}

extension HTTPField.Name {
    static var lastEventID: Self {
        guard let name = Self("Last-Event-ID") else {
            preconditionFailure("this is the name of a field")
        }
        return name
    }
}

/// Where a reader asks to start.
enum ReadStart: Equatable, Sendable {
    case live
    case after(Int64)
    /// A cursor was given that is no number.
    case unknown
    case tail(Int)
    /// The first message committed at this time or later.
    case since(milliseconds: Int64)

    /// - Throws: `invalid_parameter` when there are two of them, or one is malformed.
    init?(_ query: AdminQuery, _ limits: Limits, header: String?) throws {
        let after = try query.integer("after", in: 0...Int64.max)
        let tail = try query.integer("tail", in: 0...Int64(limits.tailMax))
        let since = try query.time("since")
        guard [after != nil, tail != nil, since != nil].count(where: { $0 }) <= 1 else {
            throw AdminProblem(.invalidParameter, "give one of 'after', 'tail' and 'since'")
        }
        if let header, !header.isEmpty {
            // From here on a browser goes on by itself: the cursor it has is the newest.
            switch StartPosition(cursor: header) {
            case .after(let id): self = .after(id)
            case .live, .tail, .unknown: self = .unknown
            }
        } else if let after {
            self = .after(after)
        } else if let tail {
            self = .tail(Int(tail))
        } else if let since {
            self = .since(milliseconds: since)
        } else {
            return nil
        }
    }
}

/// Where reading is: a cursor, and what has to be told before the first message.
struct ReadPosition: Sendable {
    var cursor: Int64
    var tail: TailStart?
    var gap: Gap?
}

/// Reads what one filter selects, and tells of gaps once.
struct FilterReader: Sendable {
    let log: any MessageLog & LogAdministration
    let filter: TopicFilter

    func position(_ start: ReadStart) async throws -> ReadPosition {
        let head = self.log.head
        switch start {
        case .live: return ReadPosition(cursor: head)
        case .after(let cursor) where cursor <= head: return ReadPosition(cursor: cursor)
        case .after(let cursor):
            let gap = StartPosition.after(cursor).gap(head: head)
            return ReadPosition(cursor: gap.cursor, gap: gap)
        case .unknown:
            let gap = StartPosition.unknown.gap(head: head)
            return ReadPosition(cursor: gap.cursor, gap: gap)
        case .tail(0): return ReadPosition(cursor: head)
        case .tail(let count):
            let tail = try await self.log.tail(of: self.filter, count: count, upTo: head)
            return ReadPosition(cursor: tail.after, tail: tail)
        case .since(let milliseconds):
            let first = try await self.log.firstID(atOrAfter: milliseconds)
            return ReadPosition(cursor: max(0, min(first - 1, head)))
        }
    }

    func page(
        _ position: ReadPosition,
        messagesMax: Int,
        bytesMax: Int
    ) async throws(LogError) -> Page {
        try await self.log.page(
            PageRequest(
                filter: self.filter,
                after: position.cursor,
                messagesMax: messagesMax,
                bytesMax: bytesMax,
                tail: position.tail
            )
        )
    }
}

private func history(
    _ reader: FilterReader,
    _ start: ReadStart,
    _ limit: Int,
    _ limits: Limits
) async throws -> ByteBuffer {
    var position = try await reader.position(start)
    var gaps = GapTeller()
    var messages: [Message] = []
    var gap = position.gap
    while gap == nil {
        let page = try await reader.page(
            position,
            messagesMax: limit,
            bytesMax: limits.historyBytesMax
        )
        // A tail was asked for, not a cursor: nobody was promised what lies before.
        if position.tail == nil { gap = gaps.gap(before: page, after: position.cursor) }
        messages = page.messages
        position.cursor = page.through
        // Pages without a message only pass over what the filter does not select.
        if !messages.isEmpty || page.through >= page.head { break }
    }
    var body = ByteBufferAllocator().buffer(
        capacity: 64 + messages.reduce(0) { $0 + $1.bytes * 2 }
    )
    let end = reader.log.end(of: reader.filter)?.reached(by: position.cursor)
    body.writeJSON(
        history: messages,
        next: position.cursor,
        gap: gap,
        end: end?.reason == .deleted ? nil : end
    )
    return body
}
