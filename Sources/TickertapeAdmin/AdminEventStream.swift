import HTTPTypes
import Hummingbird
import HummingbirdCore
import NIOCore
import TickertapeBroker
import TickertapeCore
import TickertapeLog
import TickertapeWire

/// Follows topics for an operator: what is there after a position, and then what comes.
///
/// Reads the log page by page, also when it is live: a stream costs one page and what its socket
/// holds, however slowly it is read. Events are `message`, `gap`, `caught_up` and `end`. Confined to
/// its task.
struct AdminEventStream: Sendable {
    let filter: TopicFilter
    let position: ReadPosition
    let backend: AdminBackend

    /// Between two signs of life of a quiet stream.
    static let heartbeatSeconds: Int64 = 15
    /// What a client that reconnects by itself waits before it does.
    private static let retryMilliseconds: Int64 = 1_000

    /// - Returns: 204 where nothing can come any more, which stops an EventSource for good.
    ///
    /// - Throws: `too_many_streams`.
    func response(to request: Request) throws -> Response {
        if let end = self.backend.log.end(of: self.filter),
            end.lastID == 0 || (self.position.tail == nil && self.position.cursor >= end.lastID)
        {
            return .noContent
        }
        let place = try StreamPlace(self.backend.streams)
        let body = ResponseBody { writer in
            defer { place.giveBack() }
            do {
                // A client that leaves while nothing comes is noticed at once.
                try await request.body.consumeWithCancellationOnInboundClose { _ in
                    try await self.write(to: &writer)
                }
            } catch is LogError {
                // The client comes back with its cursor.
            }
            try await writer.finish(nil)
        }
        return Response(
            status: .ok,
            headers: [.contentType: "text/event-stream", .accelBuffering: "no"],
            body: body
        )
    }

    private func write(to writer: inout any ResponseBodyWriter) async throws {
        // Before the first page: what is committed while it is read is not missed.
        guard let signal = await self.backend.signal(self.filter) else { return }
        let reader = FilterReader(log: self.backend.log, filter: self.filter)
        var position = self.position
        var gaps = GapTeller()
        var isCaughtUp = false
        /// The last id the client was told.
        var told = position.cursor
        var buffer = ByteBuffer(string: "retry: \(Self.retryMilliseconds)\n\n")
        if let gap = position.gap { buffer.write(gap) }
        while !Task.isCancelled {
            let page = try await reader.page(
                position,
                messagesMax: self.backend.limits.pageMessagesMax,
                bytesMax: self.backend.limits.pageBytesMax
            )
            if position.tail == nil, let gap = gaps.gap(before: page, after: position.cursor) {
                buffer.write(gap)
                told = gap.cursor
            }
            for message in page.messages { buffer.write(message) }
            told = page.messages.last?.id ?? told
            position.cursor = page.through
            let isAtHead = page.through >= page.head
            if isAtHead {
                position.tail = nil
                if !isCaughtUp {
                    isCaughtUp = true
                    buffer.writeCaughtUp(page.through)
                    told = page.through
                }
                // Known before the last message was, it waits for that.
                let end = self.backend.log.end(of: self.filter)?.reached(by: position.cursor)
                if let end {
                    buffer.write(end, position.cursor)
                    return try await writer.write(buffer)
                }
            }
            if buffer.readableBytes > 0 {
                try await writer.write(buffer)
                buffer.clear()
            }
            guard isAtHead else { continue }
            let heartbeat = TimeAmount.seconds(Self.heartbeatSeconds)
            guard await !signal.wait(atMost: heartbeat), !Task.isCancelled else { continue }
            // What was passed over is not looked at again by who comes back.
            buffer.writeHeartbeat(position.cursor > told ? position.cursor : nil)
            told = max(told, position.cursor)
        }
    }
}

extension HTTPField.Name {
    /// What keeps nginx from holding events back.
    fileprivate static var accelBuffering: Self {
        guard let name = Self("X-Accel-Buffering") else {
            preconditionFailure("this is the name of a field")
        }
        return name
    }
}

extension ByteBuffer {
    fileprivate mutating func write(_ message: Message) {
        self.writeStaticString("event: message\nid: ")
        self.writeDecimal(message.id)
        // JSON has no line breaks of its own: one line of data is enough.
        self.writeStaticString("\ndata: ")
        self.writeJSON(message)
        self.writeStaticString("\n\n")
    }

    fileprivate mutating func write(_ gap: Gap) {
        self.writeStaticString("event: gap\nid: ")
        self.writeDecimal(gap.cursor)
        self.writeStaticString("\ndata: ")
        self.writeJSON(gap)
        self.writeStaticString("\n\n")
    }

    fileprivate mutating func writeCaughtUp(_ id: Int64) {
        self.writeStaticString("event: caught_up\nid: ")
        self.writeDecimal(id)
        self.writeStaticString("\ndata: {\"id\":")
        self.writeDecimal(id)
        self.writeStaticString("}\n\n")
    }

    fileprivate mutating func write(_ end: TopicEnd, _ id: Int64) {
        var json = JSONWriter()
        json.object { json in
            guard end.reason == .deleted else { return json.fields(of: end) }
            json.field("topic", end.topic.text)
            json.field("reason", end.reason.rawValue)
        }
        self.writeStaticString("event: end\nid: ")
        self.writeDecimal(id)
        self.writeStaticString("\ndata: ")
        self.writeImmutableBuffer(json.buffer)
        self.writeStaticString("\n\n")
    }

    fileprivate mutating func writeHeartbeat(_ id: Int64?) {
        guard let id else {
            self.writeStaticString(":\n\n")
            return
        }
        self.writeStaticString("id: ")
        self.writeDecimal(id)
        self.writeStaticString("\n\n")
    }
}
