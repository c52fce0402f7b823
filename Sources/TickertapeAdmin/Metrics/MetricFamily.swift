/// A metric as Prometheus sees it: one name, one meaning, series that differ by their labels.
struct MetricFamily: Sendable {
    enum Kind: String, Sendable {
        case counter
        case gauge
        case histogram
    }

    let name: String
    let kind: Kind
    let help: String
    /// Upper bounds of the buckets of a histogram, ascending; that of +Inf goes without saying.
    var bounds: [Double] = []

    /// From half a millisecond, below which nothing that is synced gets, to what an alert is about.
    private static let seconds = [
        0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
    ]
    private static let counts: [Double] = [
        1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024, 2_048, 4_096,
    ]

    private static func counter(_ name: String, _ help: String) -> MetricFamily {
        MetricFamily(name: "tickertape_\(name)", kind: .counter, help: help)
    }

    private static func gauge(_ name: String, _ help: String) -> MetricFamily {
        MetricFamily(name: "tickertape_\(name)", kind: .gauge, help: help)
    }

    private static func histogram(
        _ name: String,
        _ bounds: [Double],
        _ help: String
    ) -> MetricFamily {
        MetricFamily(name: "tickertape_\(name)", kind: .histogram, help: help, bounds: bounds)
    }

    /// Every metric of the broker.
    static let all: [MetricFamily] = [
        .counter("messages_published_total", "Messages committed to the log."),
        .counter("published_bytes_total", "Payload bytes of the messages committed to the log."),
        .counter(
            "publishes_refused_total",
            "Publishes refused by a policy, a reused key, or because the log failed."
        ),
        .counter("messages_delivered_total", "Messages written to subscribers, one for each."),
        .counter("delivered_bytes_total", "Payload bytes of the messages written to subscribers."),
        .counter("messages_removed_total", "Messages removed by retention and by operators."),
        .counter("removed_bytes_total", "Payload bytes of the messages removed."),
        .counter("commits_total", "Transactions committed to the log."),
        .counter("pages_read_total", "Pages read for subscribers that were behind, by source."),
        .gauge("subscribers", "Open subscriptions, by transport."),
        .gauge("subscribers_behind", "Subscriptions that are not live."),
        .gauge(
            "slowest_subscriber_lag_ids",
            "Ids after the cursor of the subscription that is furthest behind."
        ),
        .gauge(
            "slowest_subscriber_lag_seconds",
            "Age of the first message after the cursor of the subscription that is furthest behind."
        ),
        .gauge("connections", "Open connections of the public port."),
        .gauge("topics", "Topics that exist."),
        .gauge("log_messages", "Messages in the log."),
        .gauge("log_bytes", "Payload bytes of the messages in the log."),
        .gauge("tokens", "Access tokens, by their state."),
        .gauge("log_head_id", "The id of the last message committed."),
        .gauge("database_size_bytes", "Size of the main file of the database."),
        .gauge("database_free_bytes", "Bytes of the main file that hold nothing."),
        .gauge("write_ahead_log_size_bytes", "Size of the write-ahead log."),
        .gauge("disk_free_bytes", "Bytes left on the disk of the data directory."),
        .gauge("write_queue_messages", "Messages that wait to be committed."),
        .gauge("write_queue_bytes", "Bytes of the messages that wait to be committed."),
        .gauge(
            "event_loop_delay_seconds",
            "How late an event loop was for a timer at most within the last second."
        ),
        .gauge("log_writable", "1 when the last attempt to commit succeeded, else 0."),
        .gauge("process_resident_memory_bytes", "Resident memory of the process."),
        .gauge("retention_topics_due", "Topics of which something is still to be removed."),
        .gauge("start_time_seconds", "When the broker started, in seconds since 1970."),
        .gauge("build_info", "1, with the version as a label."),
        .histogram(
            "publish_to_commit_seconds",
            Self.seconds,
            "From the moment an event loop hands a publish over until it is durable."
        ),
        .histogram(
            "commit_seconds",
            Self.seconds,
            "From the first insert of a transaction to the end of its commit."
        ),
        .histogram("commit_messages", Self.counts, "Messages of one transaction."),
        .histogram(
            "commit_to_socket_seconds",
            Self.seconds,
            "From the commit of a message until it is written to a live subscriber."
        ),
    ]
}
