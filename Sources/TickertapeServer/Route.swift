import TickertapeCore
import TickertapeWire

/// What a request asks for, its target and parameters checked.
enum Route {
    case publish(PublishTarget)
    /// Many messages, each committed as it comes.
    case publishStream(StreamTarget)
    /// Many messages, all or none.
    case publishBatch(StreamTarget)
    /// A reader wants no more of it.
    case stop(TopicName)
    case history(HistoryQuery)
    case message(topic: TopicName, id: Int64)
    case events(SubscribeQuery)
    case eventsByBody
    case health
    case webSocket(WebSocketOffer)
    case clientFile(ClientFile, ifNoneMatch: String?)
    case demoPage(DemoPage)
    case demoRedirect
    /// A browser asks what a page may do (WHATWG Fetch §4.8).
    case preflight
}

struct PublishTarget {
    var topic: TopicName
    let event: String?
    let key: String?
    /// Whether the topic ends with the message.
    var endsTopic = false
}

/// Where the messages of one request go.
struct StreamTarget {
    /// Nothing when each says it.
    let topic: TopicName?
    let format: StreamedFormat
    /// For messages without.
    let event: String?
    let key: String?
    /// A message with this data ends the topic.
    let done: String?
    /// Whether the topic ends when the request does.
    let endsTopic: Bool
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
