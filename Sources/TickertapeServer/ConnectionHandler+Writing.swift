import NIOCore
import NIOHPACK
import TickertapeCore
import TickertapeWire

/// An answer as its connection writes it.
enum Written {
    /// HTTP/1: head and body.
    case bytes(ByteBuffer)
    /// Boxed: answers in bytes, which are by far the most, would carry its room along.
    indirect case stream(StreamAnswer)
}

/// How answers are written, in each version of HTTP.
extension ConnectionHandler {
    func content(_ answered: Answered, _ end: RequestEnd, isLast: Bool = true) -> Written {
        let fields = answered.fields + end.fields
        guard let body = answered.body else {
            return self.bodyless(answered.status, answered.caching, fields, end)
        }
        guard self.stream == nil else {
            return .stream(
                self.server.response.streamContent(
                    answered.status,
                    type: answered.type,
                    body,
                    isHead: end.isHead,
                    fields: fields,
                    caching: answered.caching
                )
            )
        }
        return .bytes(
            self.server.response.content(
                answered.status,
                type: answered.type,
                body,
                isHead: end.isHead,
                self.connection(after: end, isLast: isLast),
                fields: fields,
                caching: answered.caching
            )
        )
    }

    private func bodyless(
        _ status: StaticString,
        _ caching: StaticString,
        _ fields: ResponseFields,
        _ end: RequestEnd
    ) -> Written {
        let response = self.server.response
        guard self.stream == nil else {
            return .stream(
                response.streamNoContent(status: status, fields: fields, caching: caching)
            )
        }
        let connection = self.connection(after: end, isLast: true)
        return .bytes(
            response.noContent(status: status, connection, fields: fields, caching: caching)
        )
    }

    func noContent(_ end: RequestEnd) -> Written {
        guard self.stream == nil else {
            return .stream(self.server.response.streamNoContent(fields: end.fields))
        }
        return .bytes(
            self.server.response.noContent(
                self.connection(after: end, isLast: true),
                fields: end.fields
            )
        )
    }

    func problem(_ problem: Problem, _ end: RequestEnd, isLast: Bool = true) -> Written {
        guard self.stream == nil else {
            return .stream(
                self.server.response.streamProblem(
                    problem,
                    isHead: end.isHead,
                    fields: end.fields
                )
            )
        }
        return .bytes(
            self.server.response.problem(
                problem,
                isHead: end.isHead,
                self.connection(after: end, isLast: isLast),
                fields: end.fields
            )
        )
    }

    func published(
        _ status: StaticString,
        id: Int64,
        topic: TopicName,
        _ end: RequestEnd,
        isLast: Bool,
        endsTopic: Bool
    ) -> Written {
        // By far the most do not, and have their way of being written fast.
        guard !endsTopic else {
            return self.content(.published(status, lastID: id, topic: topic), end, isLast: isLast)
        }
        guard self.stream == nil else {
            return .stream(
                self.server.response.streamPublished(
                    status,
                    id: id,
                    topic: topic,
                    fields: end.fields
                )
            )
        }
        var bytes = ByteBufferAllocator().buffer(capacity: 256)
        self.server.response.published(
            status,
            id: id,
            topic: topic,
            self.connection(after: end, isLast: isLast),
            fields: end.fields,
            into: &bytes
        )
        return .bytes(bytes)
    }

    func framing(of end: RequestEnd) -> StreamFraming {
        // HTTP/2 has frames of its own.
        self.stream != nil || end.isHTTP10 ? .plain : .chunked
    }

    /// A whole event stream that only asks its client to come back later.
    func writeFarewell(retryMilliseconds: Int64, _ end: RequestEnd) {
        let framing = self.framing(of: end)
        let farewell = framing.farewell(retryMilliseconds: retryMilliseconds)
        if let stream = self.stream {
            let head = self.server.response.streamedHead(.events, fields: end.fields)
            stream.write(StreamAnswer(head: head, body: farewell))
            return
        }
        var bytes = self.http1EventStreamHead(end)
        bytes.writeImmutableBuffer(farewell)
        self.write(bytes)
    }

    /// The head of an event stream, to be written with what comes first.
    ///
    /// Nothing when it is a frame of its own, which is on its way.
    func eventStreamHead(_ end: RequestEnd) -> ByteBuffer? {
        guard let stream = self.stream else { return self.http1EventStreamHead(end) }
        stream.begin(self.server.response.streamedHead(.events, fields: end.fields))
        return nil
    }

    private func http1EventStreamHead(_ end: RequestEnd) -> ByteBuffer {
        self.server.response.streamedHead(
            .events,
            self.framing(of: end),
            // Chunks say where the stream ends.
            end.isHTTP10 ? .close : .keep,
            fields: end.fields
        )
    }

    func write(_ buffer: ByteBuffer) {
        guard let context = self.context else { return }
        context.writeAndFlush(self.wrapOutboundOut(buffer), promise: nil)
    }

    /// What the peer has not taken of what was written.
    var untakenBytes: Int {
        if let stream = self.stream { return stream.untakenBytes }
        let options = self.context?.channel.syncOptions
        return (try? options?.getOption(.bufferedWritableBytes)) ?? 0
    }

    func setReading(_ isReading: Bool) {
        guard let context = self.context else { return }
        try? context.channel.syncOptions?.setOption(.autoRead, value: isReading)
        // A stream does not begin by itself.
        if isReading && self.stream != nil { context.read() }
    }

    /// Gives back the room of pages of history once they are taken, all but some last bytes.
    func letGoHistory() {
        guard self.historyBytes > 0, self.phase == .closed || self.isTaken else { return }
        self.server.letGoHistory(self.historyBytes)
        self.historyBytes = 0
    }

    private var isTaken: Bool { self.context?.channel.isWritable ?? true }
}
