import TickertapeCore
import TickertapeWire

/// The parameters of a request, checked.
extension Router {
    func publish(
        _ path: ArraySlice<UInt8>,
        _ query: Substring
    ) throws(Problem) -> PublishTarget {
        let topic = try self.topic(path)
        guard !query.isEmpty else { return PublishTarget(topic: topic, event: nil, key: nil) }
        let items = try self.items(query)
        for item in items.items where !Self.publishParameters.contains(item.name) {
            throw Problem(
                .unknownParameter,
                "a publish takes 'event', 'key' and 'end', not '\(shortened(item.name))'"
            )
        }
        var target = try self.publish(
            to: topic,
            event: try items.single("event"),
            key: try items.single("key")
        )
        target.endsTopic = try self.flag(items, "end")
        return target
    }

    private static let publishParameters: Set<String> = ["event", "key", "end", "access_token"]

    /// The same for the publish of a WebSocket.
    func draft(_ command: WebSocketCommand.Publish) throws(Problem) -> Draft {
        let target = try self.publish(
            to: try self.topic(command.topic),
            event: command.event,
            key: command.key
        )
        guard command.data.utf8.count <= self.limits.messageBytesMax else {
            throw .messageTooLarge(self.limits)
        }
        if let key = command.idempotencyKey { try checkIdempotencyKey(key, self.limits) }
        return Draft(
            topic: target.topic,
            event: target.event,
            key: target.key,
            data: command.data,
            idempotencyKey: command.idempotencyKey,
            end: command.end ? .withMessage : .none,
            condition: command.ifLastID.map { .lastIDIsOneOf([$0]) }
        )
    }

    func publish(
        to topic: TopicName,
        event: String?,
        key: String?
    ) throws(Problem) -> PublishTarget {
        if let event {
            guard event.utf8.count <= self.limits.eventBytesMax else {
                throw Problem(
                    .invalidParameter,
                    "'event' has at most \(self.limits.eventBytesMax) bytes"
                )
            }
            guard !event.utf8.starts(with: "tickertape.".utf8) else {
                throw Problem(
                    .invalidParameter,
                    "events named 'tickertape.…' are the broker's own"
                )
            }
            guard !event.unicodeScalars.contains(where: \.isControl) else {
                throw Problem(.invalidParameter, "'event' must not have control characters")
            }
        }
        if let key, key.utf8.count > self.limits.keyBytesMax {
            throw Problem(
                .invalidParameter,
                "'key' has at most \(self.limits.keyBytesMax) bytes"
            )
        }
        return PublishTarget(
            topic: topic,
            event: event.flatMap { $0.isEmpty ? nil : $0 },
            key: key.flatMap { $0.isEmpty ? nil : $0 }
        )
    }

    func history(
        _ path: ArraySlice<UInt8>,
        _ query: Substring
    ) throws(Problem) -> HistoryQuery {
        let pattern = try self.pattern(try self.text(path, or: .invalidPattern))
        let items = try self.items(query)
        let limit =
            try self.number(
                items,
                "limit",
                in: 1...self.limits.historyMessagesMax
            )
            ?? self.limits.historyMessagesDefault
        let cursor = try items.single("after") ?? ""
        let after = cursor.isEmpty ? .after(0) : StartPosition(cursor: cursor)
        // Unlike an EventSource, who reads history learns from an error.
        guard after != .unknown else {
            throw Problem(.invalidParameter, "'after' is the id of a message, or 0")
        }
        return HistoryQuery(
            filter: TopicFilter([pattern]),
            after: after,
            limit: limit,
            waitSeconds: try self.waitSeconds(items)
        )
    }

    func waitSeconds(_ items: QueryItems) throws(Problem) -> Double {
        guard let text = try items.single("wait") else { return 0 }
        let isDecimal = text.utf8.allSatisfy { byte in
            (0x30...0x39).contains(byte) || byte == UInt8(ascii: ".")
        }
        let longest = self.limits.historyWaitSecondsMax
        guard isDecimal, let seconds = Double(text), seconds <= longest else {
            throw Problem(.invalidParameter, "'wait' is 0 to \(Int(longest)) seconds")
        }
        return seconds
    }

    func subscribe(
        _ query: Substring,
        _ header: RequestHeader,
        topic: TopicPattern?
    ) throws(Problem) -> SubscribeQuery {
        let items = try self.items(query)
        let patterns: [TopicPattern]
        if let topic {
            patterns = [topic]
        } else {
            patterns = try self.patterns(items.all("topic"))
        }
        // Empty counts as not given, as with a cursor.
        let hasTail = try items.single("tail") != ""
        let tail = hasTail ? try self.number(items, "tail", in: 0...self.limits.tailMax) : nil
        let after = try items.single("after")
        let alias = try items.single("last_event_id")
        guard after == nil || alias == nil else {
            throw Problem(
                .repeatedParameter,
                "'last_event_id' is another name of 'after': give one"
            )
        }
        let cursor = [header.lastEventID, after, alias].compactMap { $0 }.first { !$0.isEmpty }
        return self.subscribe(
            to: patterns,
            cursor: cursor,
            tail: tail,
            tellsCaughtUp: try self.flag(items, "caught_up"),
            coalesces: try self.coalesces(try items.single("coalesce"))
        )
    }

    /// Text is what can be joined; empty counts as not given.
    private func coalesces(_ text: String?) throws(Problem) -> Bool {
        switch text {
        case "text": return true
        case nil, "": return false
        default: throw Problem(.invalidParameter, "'coalesce' is text")
        }
    }

    /// The same for `POST /events`, whose parameters are in the body.
    func subscribe(
        _ body: SubscribeBody,
        _ header: RequestHeader
    ) throws(Problem) -> SubscribeQuery {
        try self.subscribe(
            to: body.topics,
            cursor: [header.lastEventID, body.after].compactMap { $0 }.first { !$0.isEmpty },
            tail: body.tail,
            tellsCaughtUp: body.tellsCaughtUp,
            coalesce: body.coalesce
        )
    }

    /// Checks what came as JSON.
    func subscribe(
        to topics: [String],
        cursor: String?,
        tail: Int?,
        tellsCaughtUp: Bool,
        coalesce: String?
    ) throws(Problem) -> SubscribeQuery {
        if let tail, !(0...self.limits.tailMax).contains(tail) {
            throw Problem(.invalidParameter, "'tail' is 0 to \(self.limits.tailMax)")
        }
        return self.subscribe(
            to: try self.patterns(topics),
            cursor: cursor,
            tail: tail,
            tellsCaughtUp: tellsCaughtUp,
            coalesces: try self.coalesces(coalesce)
        )
    }

    func subscribe(
        to patterns: [TopicPattern],
        cursor: String?,
        tail: Int?,
        tellsCaughtUp: Bool,
        coalesces: Bool
    ) -> SubscribeQuery {
        let start: StartPosition
        if let cursor {
            start = StartPosition(cursor: cursor)
        } else if let tail {
            start = tail == 0 ? .live : .tail(tail)
        } else {
            start = .live
        }
        return SubscribeQuery(
            filter: TopicFilter(patterns),
            start: start,
            tellsCaughtUp: tellsCaughtUp,
            coalesces: coalesces
        )
    }

    func flag(_ items: QueryItems, _ name: String) throws(Problem) -> Bool {
        switch try items.single(name) {
        case "true": return true
        case nil, "", "false": return false
        default: throw Problem(.invalidParameter, "'\(name)' is true or false")
        }
    }

    func patterns(_ names: [String]) throws(Problem) -> [TopicPattern] {
        guard !names.isEmpty else {
            throw Problem(.invalidParameter, "give at least one 'topic'")
        }
        guard names.count <= self.limits.topicsPerStreamMax else {
            throw Problem(
                .tooManyTopics,
                "a stream has at most \(self.limits.topicsPerStreamMax) topics and patterns"
            )
        }
        var patterns: [TopicPattern] = []
        for name in names { patterns.append(try self.pattern(name)) }
        return patterns
    }

    func number(
        _ items: QueryItems,
        _ name: String,
        in range: ClosedRange<Int>
    ) throws(Problem) -> Int? {
        guard let text = try items.single(name) else { return nil }
        let isDecimal = text.utf8.allSatisfy { (0x30...0x39).contains($0) }
        guard isDecimal, let number = Int(text), range.contains(number) else {
            throw Problem(
                .invalidParameter,
                "'\(name)' is \(range.lowerBound) to \(range.upperBound)"
            )
        }
        return number
    }
}
