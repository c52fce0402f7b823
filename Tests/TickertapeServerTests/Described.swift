import NIOCore
import NIOHTTP1
import TickertapeCore
import TickertapeWire

@testable import TickertapeServer

/// Routes and steps in one line, for tables.
func described(_ route: Route) -> String {
    switch route {
    case .publish(let target):
        "publish \(target.topic)\(described(target.event, target.key))"
            + (target.endsTopic ? " end" : "")
    case .publishStream(let target): "stream \(described(target))"
    case .publishBatch(let target): "batch \(described(target))"
    case .stop(let topic): "stop \(topic)"
    case .history(let query):
        "history \(query.filter.patterns.map(\.text).joined(separator: " ")) "
            + "\(described(query.after)) limit=\(query.limit) wait=\(query.waitSeconds)"
    case .message(let topic, let id): "message \(topic) \(id)"
    case .events(let query): described(query)
    case .eventsByBody: "events by body"
    case .health: "health"
    case .webSocket(let offer): offer.isEcho ? "echo" : "web socket"
    case .clientFile(let file, let tags): "client \(file)" + (tags.map { " unless \($0)" } ?? "")
    case .demoPage(let page): "demo \(page)"
    case .demoRedirect: "demo redirect"
    case .preflight: "preflight"
    }
}

func described(_ target: StreamTarget) -> String {
    "\(target.topic?.text ?? "-") \(target.format)\(described(target.event, target.key))"
        + (target.done.map { " done=\($0)" } ?? "") + (target.endsTopic ? " end" : "")
}

func described(_ query: SubscribeQuery) -> String {
    "events \(query.filter.patterns.map(\.text).joined(separator: " ")) \(described(query.start))"
        + (query.coalesces ? " coalesced" : "")
}

func described(_ start: StartPosition) -> String {
    switch start {
    case .live: "live"
    case .after(let cursor): "after=\(cursor)"
    case .tail(let count): "tail=\(count)"
    case .unknown: "unknown"
    }
}

private func described(_ event: String?, _ key: String?) -> String {
    (event.map { " event=\($0)" } ?? "") + (key.map { " key=\($0)" } ?? "")
}

func described(_ problem: Problem) -> String {
    "\(problem.code.status) \(problem.code.rawValue)"
}

func described(_ step: RequestStep) -> String {
    switch step {
    case .more: "more"
    case .verify: "verify"
    case .sendContinue: "continue"
    case .publish(let draft, let end):
        "publish \(draft.topic)\(described(draft.event, draft.key)) '\(draft.data)'"
            + (draft.idempotencyKey.map { " once=\($0)" } ?? "")
            + (draft.end == .none ? "" : " end")
            + (draft.condition.map { " if \($0)" } ?? "") + described(end)
    case .stream(let publish, let end):
        "stream \(described(publish.target))"
            + (publish.idempotencyKey.map { " once=\($0)" } ?? "")
            + (publish.awaitsContinue ? " continue" : "") + described(end)
    case .streamed(let bytes): "streamed '\(String(buffer: bytes))'"
    case .streamEnded: "stream ended"
    case .batch(let drafts, let end):
        "batch \(drafts.map { "\($0.topic) '\($0.data)'" }.joined(separator: ", "))"
            + described(end)
    case .start(let route, let end): described(route) + described(end)
    case .subscribe(let query, let end): described(query) + described(end)
    case .refuse(let problem, let end): described(problem) + described(end)
    }
}

private func described(_ end: RequestEnd) -> String {
    (end.isHead ? " HEAD" : "") + (end.isHTTP10 ? " 1.0" : "")
        + (end.acceptsEventStream ? " stream" : "") + (end.mustClose ? " close" : "")
}

func head(
    _ method: HTTPMethod,
    _ target: String,
    _ fields: [(String, String)] = [],
    version: HTTPVersion = .http1_1
) -> HTTPRequestHead {
    let headers = HTTPHeaders([("Host", "localhost")] + fields)
    return HTTPRequestHead(version: version, method: method, uri: target, headers: headers)
}

extension Features {
    static func demo(_ hasDemo: Bool) -> Features {
        var features = Features()
        features.hasDemo = hasDemo
        return features
    }
}

/// What a router makes of a request, or of what is wrong with it.
func routed(
    _ method: HTTPMethod,
    _ target: String,
    _ fields: [(String, String)] = [],
    hasDemo: Bool = true
) -> String {
    let head = head(method, target, fields)
    do throws(Problem) {
        let router = Router(limits: Limits(), features: .demo(hasDemo))
        return described(try router.route(head, RequestHeader(head.headers)))
    } catch {
        return described(error)
    }
}
