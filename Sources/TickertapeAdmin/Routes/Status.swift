import Hummingbird
import TickertapeBroker
import TickertapeCore
import TickertapeLog

/// How the broker is, and what it does.
extension RouteTable {
    mutating func addStatus(_ backend: AdminBackend) {
        self.add(.get, "/v1/status") { request in
            _ = try request.query([])
            return .json(.ok, status(backend))
        }
        self.add(.get, "/v1/statistics") { request in
            _ = try request.query([])
            let statistics = backend.sampler.statistics
            let tally = SubscriberTally(await backend.broker.subscriberCounts())
            return .json(.ok, write(statistics, tally, backend.limits))
        }
    }
}

private func status(_ backend: AdminBackend) -> JSONWriter {
    let identity = backend.identity
    let log = backend.sampler.logStatistics()
    let statistics = backend.sampler.statistics
    var writer = JSONWriter(capacity: 1_024)
    writer.object { writer in
        writer.field("version", identity.version)
        writer.time("started_at", milliseconds: identity.startedMilliseconds)
        let uptime = Double(max(0, nowMilliseconds() - identity.startedMilliseconds)) / 1_000
        writer.field("uptime_seconds", uptime)
        writer.field("address", identity.address)
        writer.field("data_directory", identity.dataDirectory)
        writer.field("state", backend.isDraining() ? "draining" : "serving")
        writer.field("is_writable", backend.log.isWritable)
        writer.object("log") { $0.fields(of: log) }
        writer.object("subscribers") { $0.transports(statistics) }
        writer.field("connections", backend.connections())
        writer.field("topics", log.topicCount)
        writer.field("topics_ended", backend.log.topics.endedCount)
        writer.field("policies", backend.log.policies.policies.count)
    }
    return writer
}

private func write(
    _ statistics: Statistics,
    _ tally: SubscriberTally,
    _ limits: Limits
) -> JSONWriter {
    let (log, window) = (statistics.log, statistics.window)
    var writer = JSONWriter(capacity: 8_192)
    writer.object { writer in
        writer.time("time", milliseconds: statistics.timeMilliseconds)
        writer.object("log") { $0.fields(of: log) }
        writer.field("topics", log.topicCount)
        writer.field("topics_ended", statistics.endedTopics)
        writer.field("connections", statistics.connections)
        writer.object("in") { writer in
            writer.field("messages_total", log.messagesIn)
            writer.field("bytes_total", log.bytesIn)
            writer.rates("messages_per_second", window.rates(\.messagesIn))
            writer.rates("bytes_per_second", window.rates(\.bytesIn))
            writer.field("refused_total", log.refusals)
        }
        writer.object("out") { writer in
            writer.field("messages_total", statistics.messagesOut)
            writer.field("bytes_total", statistics.bytesOut)
            writer.rates("messages_per_second", window.rates(\.messagesOut))
            writer.rates("bytes_per_second", window.rates(\.bytesOut))
        }
        writer.object("subscribers") { writer in
            writer.transports(statistics)
            writer.field("behind", statistics.behind)
            writer.slowest(statistics)
        }
        writer.object("write_queue") { writer in
            writer.field("messages", log.queuedMessages)
            writer.field("bytes", log.queuedBytes)
            writer.field("messages_max", limits.queueMessagesMax)
            writer.field("bytes_max", limits.queueBytesMax)
        }
        writer.commits(statistics)
        writer.object("reads") { writer in
            writer.field("pages_from_log_total", statistics.pagesFromLog)
            writer.field("pages_from_memory_total", statistics.pagesFromMemory)
            writer.rates("pages_from_log_per_second", window.rates(\.pagesFromLog))
        }
        writer.object("retention") { writer in
            writer.field("messages_removed_total", log.messagesRemoved)
            writer.field("bytes_removed_total", log.bytesRemoved)
            writer.field("topics_due", log.topicsDue)
        }
        writer.array("loops", of: statistics.loops) { writer, loop in
            writer.object { writer in
                writer.field("index", loop.index)
                writer.field("subscribers", loop.subscribers.values.reduce(0, +))
                writer.field("delay_seconds", loop.delaySecondsMax)
            }
        }
        writer.array("hottest", of: statistics.hottest) { writer, hot in
            writer.object { writer in
                writer.field("topic", hot.topic.text)
                writer.rates("rate", hot.rates)
                writer.rates("bytes_rate", hot.bytesRates)
                writer.field("messages", hot.messages)
                writer.field("bytes", hot.bytes)
                writer.field("subscribers", tally.count(of: hot.topic))
            }
        }
        writer.object("recent") { writer in
            writer.field("interval_seconds", 1)
            writer.array("in", of: window.recent(\.messagesIn)) { $0.element($1) }
            writer.array("out", of: window.recent(\.messagesOut)) { $0.element($1) }
        }
    }
    return writer
}

extension JSONWriter {
    fileprivate mutating func fields(of log: LogStatistics) {
        self.field("head", log.head)
        self.field("messages", log.messageCount)
        self.field("bytes", log.byteCount)
        self.field("database_bytes", log.databaseBytes)
        self.field("database_free_bytes", log.databaseFreeBytes)
        self.field("write_ahead_log_bytes", log.writeAheadLogBytes)
        self.field("disk_free_bytes", log.diskFreeBytes)
    }

    fileprivate mutating func transports(_ statistics: Statistics) {
        self.field("event_stream", statistics.subscribers(.eventStream))
        self.field("websocket", statistics.subscribers(.webSocket))
    }

    fileprivate mutating func slowest(_ statistics: Statistics) {
        guard let slowest = statistics.slowest else { return self.field("slowest", nil as Int64?) }
        self.object("slowest") { $0.fields(of: slowest, statistics.slowestLag) }
    }

    fileprivate mutating func commits(_ statistics: Statistics) {
        let commits = statistics.window.commits
        self.object("commits") { writer in
            writer.field("total", statistics.log.commits)
            writer.rates("per_second", statistics.window.rates(\.commits))
            writer.field("messages_mean", commits.messagesMean)
            writer.field("seconds_mean", commits.secondsMean)
            writer.field("seconds_max", commits.secondsMax)
        }
    }

    mutating func fields(of subscriber: SubscriberEntry, _ lag: Lag) {
        self.field("id", subscriber.number)
        self.field("transport", subscriber.transport.rawValue)
        self.field("name", subscriber.name)
        self.field("address", subscriber.address)
        self.array("topics", of: subscriber.filter.patterns) { $0.element($1.text) }
        self.field("state", subscriber.state.rawValue)
        self.field("cursor", subscriber.cursor)
        self.field("ids_behind", lag.ids)
        self.field("seconds_behind", lag.seconds)
        self.time("opened_at", milliseconds: subscriber.openedMilliseconds)
    }
}
