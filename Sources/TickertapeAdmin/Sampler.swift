import Foundation
import Synchronization
import TickertapeBroker
import TickertapeCore
import TickertapeLog

/// Looks at the broker once a second, so that everybody who asks reads what is there already.
///
/// In come the counters of the log and of each loop, and the columns of the topic table; out go the
/// statistics, the rates of each topic, and the metrics. Nothing here is on the way of a message:
/// a hundred who watch cost the broker what one costs. Any thread; one task ticks.
final class Sampler: Sendable {
    private struct State: Sendable {
        var statistics = Statistics()
        var rates = TopicRates()
        var out: [TopicName: LoopStatistics.Out] = [:]
        /// What `statistics()` told others of since the last tick: it tells each maximum once.
        var commitSecondsMax = 0.0
    }

    private let log: any LogAdministration
    private let broker: any BrokerAdministration
    private let connections: @Sendable () -> Int
    private let metrics: BrokerMetrics
    private let state = Mutex(State())

    init(
        log: any LogAdministration,
        broker: any BrokerAdministration,
        connections: @escaping @Sendable () -> Int,
        metrics: BrokerMetrics
    ) {
        self.log = log
        self.broker = broker
        self.connections = connections
        self.metrics = metrics
    }

    /// As of the last tick.
    var statistics: Statistics { self.state.withLock(\.statistics) }
    var rates: TopicRates { self.state.withLock(\.rates) }

    /// Messages and bytes that subscribers of a topic got since the broker started.
    func out(of topics: [TopicName]) -> [LoopStatistics.Out] {
        self.state.withLock { state in topics.map { state.out[$0] ?? .init() } }
    }

    /// As of now.
    func logStatistics() -> LogStatistics {
        let now = self.log.statistics()
        self.state.withLock { state in
            state.commitSecondsMax = max(state.commitSecondsMax, now.commitSecondsMax)
        }
        return now
    }

    /// Ticks until the task is cancelled.
    func run() async {
        let clock = ContinuousClock()
        let start = clock.now
        var before = start
        var next = start
        while !Task.isCancelled {
            let now = clock.now
            await self.tick(
                seconds: (now - before).inSeconds,
                clockSeconds: (now - start).inSeconds
            )
            before = now
            next = max(next.advanced(by: .seconds(1)), clock.now)
            try? await clock.sleep(until: next)
        }
    }

    /// Takes one sample.
    ///
    /// - Parameters:
    ///   - seconds: Since the one before; 0 at the first.
    ///   - clockSeconds: On a clock that only goes forward.
    func tick(seconds: Double, clockSeconds: Double) async {
        let log = self.log.statistics()
        let loops = await self.broker.takeStatistics()
        let slowest = loops.compactMap(\.slowest).max { left, right in
            left.idsBehind(head: log.head) < right.idsBehind(head: log.head)
        }
        let now = nowMilliseconds()
        // A log that cannot be read leaves the seconds open, not the ids.
        let lag = try? await slowest?.lag(in: self.log, head: log.head, now: now)
        let topics = self.log.topics
        self.state.withLock { state in
            state.rates.advance(topics, seconds: seconds)
            for loop in loops {
                for (topic, out) in loop.outByTopic {
                    state.out[topic, default: .init()].messages += out.messages
                    state.out[topic, default: .init()].bytes += out.bytes
                }
            }
            let commitSecondsMax = max(log.commitSecondsMax, state.commitSecondsMax)
            state.commitSecondsMax = 0
            state.statistics.timeMilliseconds = now
            state.statistics.log = log
            state.statistics.loops = loops
            state.statistics.connections = self.connections()
            state.statistics.endedTopics = topics.endedCount
            state.statistics.slowest = slowest
            state.statistics.slowestLag =
                lag ?? Lag(ids: slowest?.idsBehind(head: log.head) ?? 0)
            state.statistics.window.add(
                CounterPoint(
                    seconds: clockSeconds,
                    messagesIn: log.messagesIn,
                    bytesIn: log.bytesIn,
                    messagesOut: state.statistics.messagesOut,
                    bytesOut: state.statistics.bytesOut,
                    commits: log.commits,
                    commitSeconds: log.commitSeconds,
                    commitSecondsMax: commitSecondsMax,
                    pagesFromLog: state.statistics.pagesFromLog
                )
            )
            state.statistics.hottest = state.rates.hottest(10).compactMap { row in
                guard !topics.isDeleted(row) else { return nil }
                return .init(
                    topic: topics.names[row],
                    rates: state.rates.messages(row: row),
                    bytesRates: state.rates.bytes(row: row),
                    messages: topics.messageCounts[row],
                    bytes: topics.byteCounts[row]
                )
            }
        }
        self.metrics.take(self.statistics)
    }
}

extension Duration {
    var inSeconds: Double {
        let (seconds, attoseconds) = self.components
        return Double(seconds) + Double(attoseconds) / 1e18
    }
}

/// Since 1970-01-01T00:00:00Z.
func nowMilliseconds() -> Int64 {
    Int64(Date().timeIntervalSince1970 * 1_000)
}
