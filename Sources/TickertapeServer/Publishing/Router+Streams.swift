import NIOCore
import TickertapeCore
import TickertapeWire

/// Where the messages of a stream or a batch go, and what each of them is.
extension Router {
    /// A streaming publish to one topic.
    func stream(
        _ path: ArraySlice<UInt8>,
        _ query: Substring,
        _ format: StreamedFormat
    ) throws(Problem) -> StreamTarget {
        let topic = try self.topic(path)
        let items = try self.items(query)
        try self.check(items, ["event", "key", "end", "done"])
        let target = try self.publish(
            to: topic,
            event: try items.single("event"),
            key: try items.single("key")
        )
        return StreamTarget(
            topic: topic,
            format: format,
            event: target.event,
            key: target.key,
            done: try items.single("done"),
            endsTopic: try self.flag(items, "end")
        )
    }

    /// `POST /messages`: each line says its topic.
    func messages(_ query: Substring, _ header: RequestHeader) throws(Problem) -> Route {
        guard header.streamedFormat == .lines else {
            throw Problem(
                .unsupportedMediaType,
                "send Content-Type: application/x-ndjson, with the topic of each message in its line"
            )
        }
        let items = try self.items(query)
        try self.check(items, ["atomic"])
        let target = StreamTarget(
            topic: nil,
            format: .lines,
            event: nil,
            key: nil,
            done: nil,
            endsTopic: false
        )
        return try self.flag(items, "atomic") ? .publishBatch(target) : .publishStream(target)
    }

    private func check(_ items: QueryItems, _ names: Set<String>) throws(Problem) {
        for item in items.items where !names.contains(item.name) && item.name != "access_token" {
            let known = names.sorted().map { "'\($0)'" }.joined(separator: ", ")
            throw Problem(
                .unknownParameter,
                "the parameters here are \(known), not '\(shortened(item.name))'"
            )
        }
    }

    var notStreamed: Problem {
        Problem(
            .methodNotAllowed,
            """
            PUT takes a stream of messages: send Content-Type: application/x-ndjson or \
            text/event-stream
            """,
            allow: "GET, HEAD, POST"
        )
    }

    /// Message `number` of a request, counted from 1.
    ///
    /// With a `key` of the request each message that has none has that one and its number.
    ///
    /// - Throws: What is wrong with it.
    func draft(
        _ message: StreamedMessage,
        number: Int,
        of target: StreamTarget,
        key: String?,
        sequence: PublishSequence? = nil
    ) throws(Problem) -> Draft {
        let published = try self.publish(
            to: try self.topic(of: message, target),
            event: message.event ?? target.event,
            key: message.key ?? target.key
        )
        guard message.data.utf8.count <= self.limits.messageBytesMax else {
            throw .messageTooLarge(self.limits)
        }
        if let own = message.idempotencyKey { try checkIdempotencyKey(own, self.limits) }
        let isDone = target.done.map { bytesAreEqual($0, message.data) } ?? false
        return Draft(
            topic: published.topic,
            event: published.event,
            key: published.key,
            data: message.data,
            idempotencyKey: message.idempotencyKey ?? key.map { "\($0):\(number)" },
            end: message.endsTopic || isDone ? .withMessage : .none,
            condition: message.lastID.map { .lastIDIsOneOf([$0]) },
            sequence: sequence
        )
    }

    private func topic(
        of message: StreamedMessage,
        _ target: StreamTarget
    ) throws(Problem) -> TopicName {
        switch (target.topic, message.topic) {
        case (let topic?, nil): return topic
        case (.some, .some):
            throw Problem(
                .unknownParameter,
                "the topic stands in the path; lines with a 'topic' are for POST /messages"
            )
        case (nil, let name?): return try self.topic(name)
        case (nil, nil): throw Problem(.invalidBody, "the line has no 'topic'")
        }
    }

    /// All messages of a batch.
    ///
    /// - Throws: What is wrong with the first that cannot be stored.
    func drafts(
        _ body: ByteBuffer,
        of target: StreamTarget,
        key: String?,
        check: (TopicName) throws(Problem) -> Void
    ) throws(Problem) -> [Draft] {
        var reader = StreamedMessageReader(
            target.format,
            lineBytesMax: self.limits.lineBytesMax,
            dataBytesMax: self.limits.messageBytesMax
        )
        reader.append(body)
        var drafts: [Draft] = []
        do throws(Problem) {
            while let message = try reader.nextOrLast() {
                guard drafts.count < self.limits.atomicMessagesMax else {
                    throw .batchTooLarge(self.limits)
                }
                let number = drafts.count + 1
                let draft = try self.draft(message, number: number, of: target, key: key)
                try check(draft.topic)
                drafts.append(draft)
            }
        } catch {
            var problem = error
            problem.line = drafts.count + 1
            throw problem
        }
        guard !drafts.isEmpty else { throw Problem(.invalidBody, "a batch has at least one line") }
        return drafts
    }
}

extension RequestHeader {
    /// Whether the body has many messages, by its media type.
    var streamedFormat: StreamedFormat? {
        guard let type = self.contentType else { return nil }
        let media = trimmed(Substring(type.utf8.prefix { $0 != UInt8(ascii: ";") }))
        if isSame(media, "application/x-ndjson") { return .lines }
        return isSame(media, "text/event-stream") ? .events : nil
    }
}
