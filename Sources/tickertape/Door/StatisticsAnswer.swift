/// What `top` shows.
struct StatisticsAnswer: Decodable, Sendable {
    struct Flow: Decodable, Sendable {
        let messagesTotal: Int64
        let bytesTotal: Int64
        let messagesPerSecond: Rates
        let bytesPerSecond: Rates
        let refusedTotal: Int64?
    }

    struct Lagging: Decodable, Sendable {
        let behind: Int64
    }

    struct WriteQueue: Decodable, Sendable {
        let messages: Int64
        let bytes: Int64
        let messagesMax: Int64
        let bytesMax: Int64
    }

    struct Commits: Decodable, Sendable {
        let total: Int64
        let perSecond: Rates
        let messagesMean: Double
        let secondsMean: Double
        let secondsMax: Double
    }

    struct Retention: Decodable, Sendable {
        let messagesRemovedTotal: Int64
        let bytesRemovedTotal: Int64
        let topicsDue: Int64
    }

    struct Loop: Decodable, Sendable {
        let index: Int
        let subscribers: Int64
        let delaySeconds: Double
    }

    struct Recent: Decodable, Sendable {
        let `in`: [Double]
        let out: [Double]
    }

    let time: String
    let log: LogAnswer
    let topics: Int64
    let connections: Int64
    let `in`: Flow
    let out: Flow
    let subscribers: Joined<SubscriberCounts, Lagging>
    let writeQueue: WriteQueue
    let commits: Commits
    let retention: Retention
    let loops: [Loop]
    let hottest: [TopicFigures]
    let recent: Recent
}
