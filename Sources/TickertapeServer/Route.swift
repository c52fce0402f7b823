import NIOHTTP1
import TickertapeCore
import TickertapeWire

/// What a request asks for, its target and parameters checked.
enum Route {
    case publish(PublishTarget)
    case history(HistoryQuery)
    case message(topic: TopicName, id: Int64)
    case events(SubscribeQuery)
    case eventsByBody
    case health
    case demoPage
    case demoRedirect
}

struct PublishTarget {
    let topic: TopicName
    let event: String?
    let key: String?
}

struct HistoryQuery {
    let filter: TopicFilter
    let after: StartPosition
    let limit: Int
    let waitSeconds: Double
}

struct SubscribeQuery {
    let filter: TopicFilter
    let start: StartPosition
}

/// Finds the route of a request.
///
/// The last segments of a path decide, so that a topic may have any number of levels.
final class Router: Sendable {
    let limits: Limits
    private let hasDemo: Bool

    init(limits: Limits, hasDemo: Bool) {
        self.limits = limits
        self.hasDemo = hasDemo
    }

    func route(_ head: HTTPRequestHead, _ header: RequestHeader) throws(Problem) -> Route {
        let uri = head.uri
        guard uri.utf8.count <= self.limits.uriBytesMax else {
            throw Problem(
                .uriTooLong,
                "a request target has at most \(self.limits.uriBytesMax) bytes"
            )
        }
        let target = self.originForm(uri)
        let mark = target.utf8.firstIndex(of: UInt8(ascii: "?"))
        let path = target[..<(mark ?? target.endIndex)]
        let query = mark.map { target[target.utf8.index(after: $0)...] } ?? ""
        let decoded = try self.decoded(path)
        let prefix = "/topics/".utf8
        if decoded.starts(with: prefix) {
            return try self.topicRoute(
                decoded[prefix.count...],
                query,
                head.method,
                header
            )
        }
        switch String(decoding: decoded, as: UTF8.self) {
        case "/events":
            if head.method == .POST { return .eventsByBody }
            try self.allow(head.method, [.GET, .POST])
            return .events(try self.subscribe(query, header, topic: nil))
        case "/healthz":
            try self.allow(head.method, [.GET, .HEAD])
            return .health
        case "/demo/" where self.hasDemo:
            try self.allow(head.method, [.GET, .HEAD])
            return .demoPage
        case "/demo" where self.hasDemo, "/" where self.hasDemo:
            try self.allow(head.method, [.GET, .HEAD])
            return .demoRedirect
        default:
            throw Problem(.notFound, "see docs/protocol.md for what is served")
        }
    }

    /// The path and query of a target, also when a proxy sent it in absolute form
    /// (RFC 9112 §3.2.2).
    private func originForm(_ uri: String) -> Substring {
        guard uri.utf8.first != UInt8(ascii: "/"), let colon = uri.firstIndex(of: ":") else {
            return uri[...]
        }
        let rest = uri[colon...]
        guard rest.hasPrefix("://") else { return uri[...] }
        let authority = rest.dropFirst(3)
        return authority.firstIndex(of: "/").map { authority[$0...] } ?? "/"
    }

    /// Takes the decoded bytes behind `/topics/`.
    private func topicRoute(
        _ rest: ArraySlice<UInt8>,
        _ query: Substring,
        _ method: HTTPMethod,
        _ header: RequestHeader
    ) throws(Problem) -> Route {
        guard let slash = rest.lastIndex(of: UInt8(ascii: "/")) else { throw self.noTopicRoute }
        let (before, last) = (rest[..<slash], rest[(slash + 1)...])
        if last.elementsEqual("messages".utf8) {
            if method == .POST { return .publish(try self.publish(before, query)) }
            try self.allow(method, [.GET, .HEAD, .POST])
            return .history(try self.history(before, query))
        }
        if last.elementsEqual("events".utf8) {
            try self.allow(method, [.GET])
            let pattern = try self.pattern(try self.text(before, or: .invalidPattern))
            return .events(try self.subscribe(query, header, topic: pattern))
        }
        guard let inner = before.lastIndex(of: UInt8(ascii: "/")),
            before[(inner + 1)...].elementsEqual("messages".utf8),
            !last.isEmpty, last.allSatisfy({ (0x30...0x39).contains($0) })
        else { throw self.noTopicRoute }
        try self.allow(method, [.GET, .HEAD])
        let topic = try self.topic(before[..<inner])
        // No message has an id beyond those of the log.
        let id = Int64(String(decoding: last, as: UTF8.self)) ?? Int64.max
        return .message(topic: topic, id: id)
    }

    private var noTopicRoute: Problem {
        Problem(
            .notFound,
            "a path under /topics/ ends in /messages, /messages/{id} or /events"
        )
    }

    private func allow(_ method: HTTPMethod, _ methods: [HTTPMethod]) throws(Problem) {
        guard !methods.contains(method) else { return }
        let list = methods.map(\.rawValue).joined(separator: ", ")
        throw Problem(.methodNotAllowed, "the methods here are \(list)", allow: list)
    }

    // MARK: - Parameters

    private func publish(
        _ path: ArraySlice<UInt8>,
        _ query: Substring
    ) throws(Problem) -> PublishTarget {
        let topic = try self.topic(path)
        guard !query.isEmpty else { return PublishTarget(topic: topic, event: nil, key: nil) }
        let items = try self.items(query)
        for item in items.items where item.name != "event" && item.name != "key" {
            throw Problem(
                .unknownParameter,
                "a publish takes 'event' and 'key', not '\(item.name.prefix(64))'"
            )
        }
        let event = try items.single("event")
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
        let key = try items.single("key")
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

    private func history(
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

    private func waitSeconds(_ items: QueryItems) throws(Problem) -> Double {
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

    private func subscribe(
        _ query: Substring,
        _ header: RequestHeader,
        topic: TopicPattern?
    ) throws(Problem) -> SubscribeQuery {
        let items = try self.items(query)
        var names: [String] = []
        if topic == nil { names = items.all("topic") }
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
        return try self.subscribe(
            to: topic == nil ? self.patterns(names) : [topic].compactMap { $0 },
            cursor: cursor,
            tail: tail
        )
    }

    /// The same for `POST /events`, whose parameters are in the body.
    func subscribe(
        _ body: SubscribeBody,
        _ header: RequestHeader
    ) throws(Problem) -> SubscribeQuery {
        if let tail = body.tail, !(0...self.limits.tailMax).contains(tail) {
            throw Problem(.invalidParameter, "'tail' is 0 to \(self.limits.tailMax)")
        }
        let cursor = [header.lastEventID, body.after].compactMap { $0 }.first { !$0.isEmpty }
        return try self.subscribe(
            to: self.patterns(body.topics),
            cursor: cursor,
            tail: body.tail
        )
    }

    private func subscribe(
        to patterns: [TopicPattern],
        cursor: String?,
        tail: Int?
    ) throws(Problem) -> SubscribeQuery {
        let start: StartPosition
        if let cursor {
            start = StartPosition(cursor: cursor)
        } else if let tail {
            start = tail == 0 ? .live : .tail(tail)
        } else {
            start = .live
        }
        return SubscribeQuery(filter: TopicFilter(patterns), start: start)
    }

    private func patterns(_ names: [String]) throws(Problem) -> [TopicPattern] {
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

    private func number(
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

    // MARK: - Names

    private func items(_ query: Substring) throws(Problem) -> QueryItems {
        do {
            return try QueryItems(query)
        } catch {
            throw self.problem(error, in: "the query")
        }
    }

    private func decoded(_ path: Substring) throws(Problem) -> [UInt8] {
        do {
            return try percentDecodedBytes(path, plusIsSpace: false)
        } catch {
            throw self.problem(error, in: "the path")
        }
    }

    private func problem(_ error: PercentCodingError, in place: String) -> Problem {
        switch error {
        case .badEscape:
            Problem(
                .badPercentEncoding,
                "in \(place) a '%' is not followed by two hexadecimal digits"
            )
        case .notUTF8: Problem(.invalidParameter, "\(place) is not UTF-8 once decoded")
        }
    }

    private func text(_ bytes: ArraySlice<UInt8>, or code: Problem.Code) throws(Problem) -> String {
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw Problem(code, "a name is UTF-8 text, this one is not once decoded")
        }
        return text
    }

    private func topic(_ bytes: ArraySlice<UInt8>) throws(Problem) -> TopicName {
        let text = try self.text(bytes, or: .invalidTopic)
        do {
            return try TopicName(text)
        } catch {
            throw Problem(.invalidTopic, error.sentence)
        }
    }

    private func pattern(_ text: String) throws(Problem) -> TopicPattern {
        do {
            return try TopicPattern(text)
        } catch {
            throw Problem(.invalidPattern, error.sentence)
        }
    }
}
