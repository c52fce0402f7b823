import TickertapeCore

/// What a request asks for, its target and parameters checked.
enum Route {
    case publish(PublishTarget)
    case history(HistoryQuery)
    case message(topic: TopicName, id: Int64)
    case events(SubscribeQuery)
    case eventsByBody
    case health
    case webSocket(WebSocketOffer)
    case demoPage(DemoPage)
    case demoRedirect
    /// A browser asks what a page may do (WHATWG Fetch §4.8).
    case preflight
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
    /// Asks to be told when replay has reached the live tail.
    let tellsCaughtUp: Bool
    /// Asks to have messages joined that are replayed.
    let coalesces: Bool
}

enum DemoPage {
    case ticker
    case chat
}
