import NIOHTTP1
import TickertapeCore
import TickertapeWire

/// Finds the route of a request.
///
/// The last segments of a path decide, so that a topic may have any number of levels.
final class Router: Sendable {
    let limits: Limits
    private let features: Features

    init(limits: Limits, features: Features) {
        self.limits = limits
        self.features = features
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
        case "/messages":
            try self.allow(head.method, [.POST, .PUT])
            return try self.messages(query, header)
        case "/healthz":
            try self.allow(head.method, [.GET, .HEAD])
            return .health
        case "/ws":
            try self.allow(head.method, [.GET])
            return .webSocket(try self.offer(head, isEcho: false))
        case "/ws/echo" where self.features.hasWebSocketEcho:
            try self.allow(head.method, [.GET])
            return .webSocket(try self.offer(head, isEcho: true))
        case "/demo" where self.features.hasDemo, "/" where self.features.hasDemo:
            try self.allow(head.method, [.GET, .HEAD])
            return .demoRedirect
        case let path:
            if let file = ClientFile(rawValue: path) {
                try self.allow(head.method, [.GET, .HEAD])
                return .clientFile(file, ifNoneMatch: Self.ifNoneMatch(head))
            }
            guard self.features.hasDemo, let page = DemoPage(rawValue: path) else {
                throw Problem(.notFound, "see docs/protocol.md for what is served")
            }
            try self.allow(head.method, [.GET, .HEAD])
            return .demoPage(page)
        }
    }

    /// The tags a client has already (RFC 9110 §13.1.2), its fields as one.
    private static func ifNoneMatch(_ head: HTTPRequestHead) -> String? {
        let fields = head.headers["If-None-Match"]
        return fields.isEmpty ? nil : fields.joined(separator: ",")
    }

    /// Whether a request is for what anybody may have, from whatever page it comes.
    func isPublic(_ head: HTTPRequestHead) -> Bool {
        guard head.method == .GET || head.method == .HEAD else { return false }
        let path = self.originForm(head.uri).prefix { $0 != "?" }
        return ClientFile(rawValue: String(path)) != nil
    }

    /// The credential in the query of a target that was routed (RFC 6750 §2.3).
    func credential(inQueryOf uri: String) throws(Problem) -> String? {
        let target = self.originForm(uri)
        guard let mark = target.utf8.firstIndex(of: UInt8(ascii: "?")) else { return nil }
        var found: String?
        // What else stands in a query is for the route to judge, and not for every route.
        for part in target[target.utf8.index(after: mark)...].split(separator: "&") {
            guard let item = try self.credentialItem(part) else { continue }
            guard found == nil else {
                throw Problem(.repeatedParameter, "'access_token' may be given once")
            }
            found = item
        }
        return found
    }

    private func credentialItem(_ part: Substring) throws(Problem) -> String? {
        let name = part.prefix { $0 != "=" }
        guard let name = try? QueryItems(name).items.first?.name, name == "access_token" else {
            return nil
        }
        return try self.items(part).items.first?.value
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
            if let format = header.streamedFormat, method == .POST || method == .PUT {
                return .publishStream(try self.stream(before, query, format))
            }
            if method == .POST { return .publish(try self.publish(before, query)) }
            guard method != .PUT else { throw self.notStreamed }
            try self.allow(method, [.GET, .HEAD, .POST])
            return .history(try self.history(before, query))
        }
        if last.elementsEqual("events".utf8) {
            try self.allow(method, [.GET])
            let pattern = try self.pattern(try self.text(before, or: .invalidPattern))
            return .events(try self.subscribe(query, header, topic: pattern))
        }
        if last.elementsEqual("stop".utf8) {
            try self.allow(method, [.POST])
            return .stop(try self.topic(before))
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
            "a path under /topics/ ends in /messages, /messages/{id}, /events or /stop"
        )
    }

    private func offer(_ head: HTTPRequestHead, isEcho: Bool) throws(Problem) -> WebSocketOffer {
        try WebSocketOffer(
            head,
            compresses: self.features.compressesWebSockets,
            isEcho: isEcho
        )
    }

    private func allow(_ method: HTTPMethod, _ methods: [HTTPMethod]) throws(Problem) {
        guard !methods.contains(method) else { return }
        let list = methods.map(\.rawValue).joined(separator: ", ")
        throw Problem(.methodNotAllowed, "the methods here are \(list)", allow: list)
    }
}
