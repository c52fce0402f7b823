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

/// The members of two shapes in one object.
@dynamicMemberLookup
struct Joined<First: Decodable & Sendable, Second: Decodable & Sendable>: Decodable, Sendable {
    private let first: First
    private let second: Second

    init(from decoder: any Decoder) throws {
        self.first = try First(from: decoder)
        self.second = try Second(from: decoder)
    }

    subscript<Value>(dynamicMember member: KeyPath<First, Value>) -> Value {
        self.first[keyPath: member]
    }

    subscript<Value>(dynamicMember member: KeyPath<Second, Value>) -> Value {
        self.second[keyPath: member]
    }
}

/// What a topic holds and takes, wherever it is shown.
struct TopicFigures: Decodable, Sendable {
    let topic: String
    let messages: Int64
    let bytes: Int64
    let rate: Rates
    let bytesRate: Rates
    let subscribers: Int64
}

/// What a list shows besides.
struct TopicPlace: Decodable, Sendable {
    let firstId: Int64?
    let lastId: Int64?
    let policy: String
    /// Nothing while it takes messages.
    let end: EndAnswer?
}

/// How a topic has ended.
struct EndAnswer: Decodable, Sendable, Equatable {
    let topic: String
    /// `ended` or `stopped`.
    let reason: String
    /// 0 when it never had a message.
    let lastId: Int64
    let time: String
}

/// What is shown of one topic alone.
struct TopicPast: Decodable, Sendable {
    let firstTime: String?
    let lastTime: String?
    let removedThrough: Int64?
    let messagesIn: Int64
    let messagesOut: Int64
    let bytesIn: Int64
    let bytesOut: Int64
}

/// A list may have 100,000: what is not shown is not decoded.
typealias ListedTopic = Joined<TopicFigures, TopicPlace>
typealias TopicRow = Joined<ListedTopic, TopicPast>

struct TopicPage<Row: Decodable & Sendable>: Decodable, Sendable {
    let topics: [Row]
    let next: String?
    let total: Int64
}

/// What a deletion, a purge or a policy takes away from a topic.
struct RemovalAnswer: Decodable, Sendable {
    let topic: String
    let messages: Int64
    let bytes: Int64
    let removedThrough: Int64?
}

struct PublishAnswer: Decodable, Sendable {
    let id: Int64
    let topic: String
    /// Absent where it was not asked for.
    let ended: Bool?
}

struct LinesAnswer: Decodable, Sendable {
    let published: Int64
    let firstId: Int64?
    let lastId: Int64?
    /// Absent where it was not asked for.
    let ended: Bool?
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

struct SubscriberCounts: Decodable, Sendable {
    let eventStream: Int64
    let websocket: Int64
}

struct StatusAnswer: Decodable, Sendable {
    let version: String
    let startedAt: String
    let uptimeSeconds: Double
    let address: String
    let dataDirectory: String
    let state: String
    let isWritable: Bool
    let log: LogAnswer
    let subscribers: SubscriberCounts
    let connections: Int64
    let topics: Int64
    let topicsEnded: Int64
    let policies: Int64
}
