import TickertapeBroker
import TickertapeCore
import TickertapeLog

/// What the broker did and does, as it was at the last tick.
struct Statistics: Sendable {
    var timeMilliseconds: Int64 = 0
    var log = LogStatistics()
    var loops: [LoopStatistics] = []
    var connections = 0
    /// Topics that have ended, and were not deleted.
    var endedTopics = 0
    var window = SlidingWindow()
    /// The subscription that is furthest behind, and since when what it waits for is there.
    var slowest: SubscriberEntry?
    var slowestLag = Lag()
    var hottest: [HotTopic] = []

    /// One of the topics that take the most messages.
    struct HotTopic: Sendable {
        let topic: TopicName
        let rates: Rates
        let bytesRates: Rates
        let messages: Int64
        let bytes: Int64
    }

    var messagesOut: Int64 { self.loops.reduce(0) { $0 + $1.out.messages } }
    var bytesOut: Int64 { self.loops.reduce(0) { $0 + $1.out.bytes } }
    var pagesFromLog: Int64 { self.loops.reduce(0) { $0 + $1.pagesFromLog } }
    var pagesFromMemory: Int64 { self.loops.reduce(0) { $0 + $1.pagesFromMemory } }
    var behind: Int { self.loops.reduce(0) { $0 + $1.behind } }

    func subscribers(_ transport: TransportKind) -> Int {
        self.loops.reduce(0) { $0 + ($1.subscribers[transport] ?? 0) }
    }
}

/// How far a subscription is behind what is in the log.
struct Lag: Equatable, Sendable {
    /// Ids after its cursor, whether or not it wants them.
    var ids: Int64 = 0
    /// Since the first message after its cursor was committed.
    var seconds = 0.0

    init(ids: Int64 = 0, seconds: Double = 0) {
        self.ids = ids
        self.seconds = seconds
    }
}

extension SubscriberEntry {
    /// One that is live has everything, however long ago its last message was.
    func idsBehind(head: Int64) -> Int64 {
        guard self.state != .live, let cursor = self.cursor else { return 0 }
        return max(0, head - cursor)
    }

    func lag(in log: any LogAdministration, head: Int64, now: Int64) async throws -> Lag {
        let ids = self.idsBehind(head: head)
        guard ids > 0, let cursor = self.cursor else { return Lag() }
        guard let time = try await log.time(after: cursor) else { return Lag(ids: ids) }
        return Lag(ids: ids, seconds: Double(max(0, now - time)) / 1_000)
    }
}
