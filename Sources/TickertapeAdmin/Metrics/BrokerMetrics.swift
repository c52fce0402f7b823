import Foundation
import Metrics
import Synchronization
import TickertapeBroker
import TickertapeLog

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Says to swift-metrics what the sampler has seen.
///
/// Any thread; the sampler is the only one that calls it.
final class BrokerMetrics: Sendable {
    /// A counter of swift-metrics that follows one of ours, which starts with the broker too.
    private final class Following: Sendable {
        private let counter: Counter
        private let told = Mutex<Int64>(0)

        init(_ label: String, _ dimensions: [(String, String)] = []) {
            self.counter = Counter(label: label, dimensions: dimensions)
            // A counter is there from the start, with 0.
            self.counter.increment(by: 0)
        }

        func follow(_ value: Int64) {
            let more = self.told.withLock { told in
                defer { told = max(told, value) }
                return value - told
            }
            if more > 0 { self.counter.increment(by: more) }
        }
    }

    private let isWritable: @Sendable () -> Bool
    private let published = Following("tickertape_messages_published_total")
    private let publishedBytes = Following("tickertape_published_bytes_total")
    private let refused = Following("tickertape_publishes_refused_total")
    private let delivered = Following("tickertape_messages_delivered_total")
    private let deliveredBytes = Following("tickertape_delivered_bytes_total")
    private let removed = Following("tickertape_messages_removed_total")
    private let removedBytes = Following("tickertape_removed_bytes_total")
    private let commits = Following("tickertape_commits_total")
    private let pagesFromLog = Following("tickertape_pages_read_total", [("source", "log")])
    private let pagesFromMemory = Following("tickertape_pages_read_total", [("source", "memory")])

    init(version: String, startedMilliseconds: Int64, isWritable: @escaping @Sendable () -> Bool) {
        self.isWritable = isWritable
        Self.set("start_time_seconds", Double(startedMilliseconds) / 1_000)
        Self.set("build_info", 1, [("version", version)])
        // There before the first value, so that a rate over them begins with it.
        _ = Metrics.Timer(label: "tickertape_publish_to_commit_seconds")
        _ = Metrics.Timer(label: "tickertape_commit_seconds")
        _ = Recorder(label: "tickertape_commit_messages", aggregate: true)
        _ = Metrics.Timer(label: "tickertape_commit_to_socket_seconds")
    }

    func take(_ statistics: Statistics) {
        let log = statistics.log
        self.published.follow(log.messagesIn)
        self.publishedBytes.follow(log.bytesIn)
        self.refused.follow(log.refusals)
        self.delivered.follow(statistics.messagesOut)
        self.deliveredBytes.follow(statistics.bytesOut)
        self.removed.follow(log.messagesRemoved)
        self.removedBytes.follow(log.bytesRemoved)
        self.commits.follow(log.commits)
        self.pagesFromLog.follow(statistics.pagesFromLog)
        self.pagesFromMemory.follow(statistics.pagesFromMemory)

        for transport in TransportKind.allCases {
            let count = Double(statistics.subscribers(transport))
            Self.set("subscribers", count, [("transport", transport.rawValue)])
        }
        for loop in statistics.loops {
            let dimensions = [("loop", "\(loop.index)")]
            Self.set("event_loop_delay_seconds", loop.delaySecondsMax, dimensions)
        }
        Self.set("subscribers_behind", Double(statistics.behind))
        Self.set("slowest_subscriber_lag_ids", Double(statistics.slowestLag.ids))
        Self.set("slowest_subscriber_lag_seconds", statistics.slowestLag.seconds)
        Self.set("connections", Double(statistics.connections))
        Self.set("topics", Double(log.topicCount))
        Self.set("topics_ended", Double(statistics.endedTopics))
        Self.set("tokens", Double(log.activeTokens), [("state", "active")])
        Self.set("log_messages", Double(log.messageCount))
        Self.set("log_bytes", Double(log.byteCount))
        Self.set("log_head_id", Double(log.head))
        Self.set("database_size_bytes", Double(log.databaseBytes))
        Self.set("database_free_bytes", Double(log.databaseFreeBytes))
        Self.set("write_ahead_log_size_bytes", Double(log.writeAheadLogBytes))
        Self.set("disk_free_bytes", Double(log.diskFreeBytes))
        Self.set("write_queue_messages", Double(log.queuedMessages))
        Self.set("write_queue_bytes", Double(log.queuedBytes))
        Self.set("log_writable", self.isWritable() ? 1 : 0)
        Self.set("retention_topics_due", Double(log.topicsDue))
        if let bytes = residentBytes() {
            Self.set("process_resident_memory_bytes", Double(bytes))
        }
    }

    private static func set(
        _ name: String,
        _ value: Double,
        _ dimensions: [(String, String)] = []
    ) {
        Gauge(label: "tickertape_\(name)", dimensions: dimensions).record(value)
    }
}

/// Resident memory of this process, by proc(5).
private func residentBytes() -> Int64? {
    guard let text = try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8) else {
        return nil
    }
    let fields = text.split(separator: " ")
    guard fields.count > 1, let pages = Int64(fields[1]) else { return nil }
    return pages * Int64(sysconf(Int32(_SC_PAGESIZE)))
}
