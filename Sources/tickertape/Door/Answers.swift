import Foundation

/// Per second, weighted over the last 1, 10 and 60 seconds.
struct Rates: Codable, Sendable {
    let oneSecond: Double
    let tenSeconds: Double
    let sixtySeconds: Double

    enum CodingKeys: String, CodingKey {
        case oneSecond = "1s"
        case tenSeconds = "10s"
        case sixtySeconds = "60s"
    }
}

/// A topic in a list.
struct TopicRow: Decodable, Sendable {
    let topic: String
    let messages: Int64
    let bytes: Int64
    let firstId: Int64?
    let lastId: Int64?
    let firstTime: String?
    let lastTime: String?
    let removedThrough: Int64?
    let rate: Rates
    let bytesRate: Rates
    let messagesIn: Int64
    let messagesOut: Int64
    let bytesIn: Int64
    let bytesOut: Int64
    let subscribers: Int64
    let policy: String
}

struct TopicPage: Decodable, Sendable {
    let topics: [TopicRow]
    let next: String?
    let total: Int64
}

/// What a table shows of a topic: a list may have 100,000, and what is not shown is not decoded.
struct ListedTopic: Decodable, Sendable {
    let topic: String
    let messages: Int64
    let bytes: Int64
    let firstId: Int64?
    let lastId: Int64?
    let rate: Rates
    let subscribers: Int64
    let policy: String
}

struct ListedTopicPage: Decodable, Sendable {
    let topics: [ListedTopic]
    let next: String?
    let total: Int64
}

/// What a deletion took away.
struct RemovalAnswer: Decodable, Sendable {
    let topic: String
    let messages: Int64
    let bytes: Int64
    let removedThrough: Int64?
}

struct PublishAnswer: Decodable, Sendable {
    let id: Int64
    let topic: String
}

struct LinesAnswer: Decodable, Sendable {
    let published: Int64
    let firstId: Int64?
    let lastId: Int64?
}

struct SubscriberRow: Decodable, Sendable {
    let id: Int64
    let transport: String
    let name: String?
    let address: String
    let topics: [String]
    let state: String
    let cursor: Int64?
    let idsBehind: Int64
    let secondsBehind: Double
    let openedAt: String
}

struct SubscriberPage: Decodable, Sendable {
    let subscribers: [SubscriberRow]
    let next: String?
    let total: Int64
}

struct LogAnswer: Decodable, Sendable {
    let head: Int64
    let messages: Int64
    let bytes: Int64
    let databaseBytes: Int64
    let databaseFreeBytes: Int64
    let writeAheadLogBytes: Int64
    let diskFreeBytes: Int64
}

struct StatusAnswer: Decodable, Sendable {
    struct Subscribers: Decodable, Sendable {
        let eventStream: Int64
        let websocket: Int64
    }

    let version: String
    let startedAt: String
    let uptimeSeconds: Double
    let address: String
    let dataDirectory: String
    let state: String
    let isWritable: Bool
    let log: LogAnswer
    let subscribers: Subscribers
    let connections: Int64
    let topics: Int64
    let policies: Int64
}
