/// Lays a sample out for a window; pure.
struct TopFrame {
    private static let labelWidth = 13
    private static let sparkWidthMax = 60

    let sample: TopSample
    let sort: TopSort
    /// Why there is no newer sample.
    var failure: String?
    var isPaused = false

    /// The lines of a window, or of a print without end where it has no rows.
    func lines(width: Int?, rows: Int?, _ style: Style) -> [String] {
        let head = self.summary(width).map { $0.text(width: width, style) }
        guard let rows else {
            return head + [""] + self.topicLines(10, width, style) + [""]
                + self.subscriberLines(10, width, style)
        }
        // Two titles, two blank lines and the keys.
        let room = max(0, rows - head.count - 5)
        let topicCount = min(max(room - self.sample.slowest.count, (room + 1) / 2), room)
        var lines = head + [""] + self.topicLines(topicCount, width, style)
        let left = rows - lines.count - 3
        if left > 0 { lines += [""] + self.subscriberLines(left, width, style) }
        lines = Array(lines.prefix(rows - 1))
        lines += Array(repeating: "", count: max(0, rows - 1 - lines.count))
        return lines + [self.footer.text(width: width, style)]
    }

    private var footer: ScreenLine {
        if let failure = self.failure { return ScreenLine(failure, .red) }
        var line = ScreenLine()
        let keys = [
            ("q", "quit"), ("r", "rate"), ("m", "messages"), ("b", "bytes"), ("s", "subscribers"),
            ("n", "name"), ("p", self.isPaused ? "go on" : "pause"),
        ]
        for (key, what) in keys {
            line.add(key, .bold)
            line.add(" \(what)  ", what == self.sort.rawValue ? .green : .dim)
        }
        return line
    }

    // The upper part.

    private func summary(_ width: Int?) -> [ScreenLine] {
        [
            self.title, self.flow("in", self.sample.statistics.in, self.recentIn, width),
            self.flow("out", self.sample.statistics.out, self.sample.statistics.recent.out, width),
        ] + self.refused + [self.log, self.commits, self.queue, self.followers]
    }

    private var recentIn: [Double] { self.sample.statistics.recent.in }

    private var title: ScreenLine {
        let status = self.sample.status
        var line = ScreenLine("tickertape \(printable(status.version))", .bold)
        line.add("  ")
        line.add(printable(status.state), status.state == "serving" ? .green : .yellow)
        if !status.isWritable { line.add("  the log cannot be written", .red) }
        line.add("  up \(Quantity.duration(seconds: status.uptimeSeconds))")
        line.add("  \(printable(status.address))")
        line.add("  \(printable(self.sample.statistics.time))", .dim)
        if self.isPaused { line.add("  paused", .yellow) }
        return line
    }

    private func flow(
        _ name: String,
        _ flow: StatisticsAnswer.Flow,
        _ recent: [Double],
        _ width: Int?
    ) -> ScreenLine {
        var line = self.labelled(name)
        line.add(Quantity.rate(flow.messagesPerSecond.oneSecond), .bold)
        line.pad(to: Self.labelWidth + 12)
        line.add(Quantity.bytesRate(flow.bytesPerSecond.oneSecond))
        line.pad(to: Self.labelWidth + 26)
        line.add("10 s ", .dim)
        line.add(Quantity.rate(flow.messagesPerSecond.tenSeconds))
        line.pad(to: Self.labelWidth + 42)
        line.add("60 s ", .dim)
        line.add(Quantity.rate(flow.messagesPerSecond.sixtySeconds))
        line.pad(to: Self.labelWidth + 58)
        let room = (width ?? 132) - line.width
        if room >= 8 {
            line.add(sparkline(recent.suffix(min(room, Self.sparkWidthMax))), .cyan)
        }
        return line
    }

    private var log: ScreenLine {
        let log = self.sample.statistics.log
        var line = self.labelled("log")
        line.add("\(Quantity.bytes(log.databaseBytes + log.writeAheadLogBytes)) on disk", .bold)
        line.add(
            ", \(Quantity.counted(log.messages, "message")), "
                + "\(Quantity.bytes(log.bytes)) of payload, "
                + "last id \(Quantity.count(log.head)), \(Quantity.bytes(log.diskFreeBytes)) free"
        )
        return line
    }

    private var commits: ScreenLine {
        let commits = self.sample.statistics.commits
        var line = self.labelled("commits")
        line.add(Quantity.rate(commits.perSecond.tenSeconds), .bold)
        line.add(
            " of \(Quantity.shortCount(commits.messagesMean)) messages, "
                + "\(Quantity.latency(seconds: commits.secondsMean)) each, "
                + "\(Quantity.latency(seconds: commits.secondsMax)) at most"
        )
        return line
    }

    private var queue: ScreenLine {
        let queue = self.sample.statistics.writeQueue
        let isFilling = queue.messages * 2 > queue.messagesMax || queue.bytes * 2 > queue.bytesMax
        var line = self.labelled("write queue")
        line.add(
            "\(Quantity.counted(queue.messages, "message")), \(Quantity.bytes(queue.bytes))",
            isFilling ? .red : .bold
        )
        line.add(
            " of \(Quantity.count(queue.messagesMax)), \(Quantity.bytes(queue.bytesMax))",
            .dim
        )
        let due = self.sample.statistics.retention.topicsDue
        if due > 0 { line.add("; retention due on \(Quantity.counted(due, "topic"))", .yellow) }
        return line
    }

    /// Only where there are some.
    private var refused: [ScreenLine] {
        let refused = self.sample.statistics.in.refusedTotal ?? 0
        guard refused > 0 else { return [] }
        var line = self.labelled("refused")
        line.add("\(Quantity.counted(refused, "publish", "publishes")) since start", .yellow)
        return [line]
    }

    private var followers: ScreenLine {
        let statistics = self.sample.statistics
        let followers = statistics.subscribers
        var line = self.labelled("subscribers")
        line.add(Quantity.count(followers.eventStream + followers.websocket), .bold)
        line.add(
            " (\(Quantity.counted(followers.eventStream, "event stream")), "
                + "\(Quantity.counted(followers.websocket, "WebSocket")))"
        )
        if followers.behind > 0 {
            line.add(", \(Quantity.count(followers.behind)) behind", .yellow)
        }
        let delay = statistics.loops.map(\.delaySeconds).max() ?? 0
        line.add(
            ", \(Quantity.counted(statistics.connections, "connection")), "
                + "\(Quantity.counted(statistics.topics, "topic")), "
                + "loop delay \(Quantity.latency(seconds: delay))"
        )
        return line
    }

    private func labelled(_ name: String) -> ScreenLine {
        var line = ScreenLine(name, .dim)
        line.pad(to: Self.labelWidth)
        return line
    }

    // The tables.

    private static let topicColumns: [Table.Column] = [
        .init(title: "TOPIC", isShrinkable: true, ink: .cyan),
        .init(title: "1 S", alignment: .right),
        .init(title: "10 S", alignment: .right),
        .init(title: "60 S", alignment: .right, isOptional: true),
        .init(title: "BYTES 10 S", alignment: .right, isOptional: true),
        .init(title: "MESSAGES", alignment: .right, isOptional: true),
        .init(title: "BYTES", alignment: .right, isOptional: true),
        .init(title: "SUBSCRIBERS", alignment: .right, isOptional: true),
    ]

    private func topicLines(_ count: Int, _ width: Int?, _ style: Style) -> [String] {
        let topics = self.sample.topics.prefix(count)
        var table = Table(columns: Self.topicColumns, width: width, style: style)
        let lines = table.lines(
            of: topics.map { topic in
                [
                    printable(topic.topic), Quantity.rate(topic.rate.oneSecond),
                    Quantity.rate(topic.rate.tenSeconds), Quantity.rate(topic.rate.sixtySeconds),
                    Quantity.bytesRate(topic.bytesRate.tenSeconds),
                    Quantity.count(topic.messages), Quantity.bytes(topic.bytes),
                    Quantity.count(topic.subscribers),
                ]
            }
        )
        guard count > 0, topics.isEmpty else { return lines }
        let none = self.sort == .rate ? "no topic has been published to lately" : "no topics"
        return lines + [ScreenLine(none, .dim).text(width: width, style)]
    }

    private static let subscriberColumns: [Table.Column] = [
        .init(title: "SLOWEST", alignment: .right),
        .init(title: "TOPICS", isShrinkable: true, ink: .cyan),
        .init(title: "STATE"),
        .init(title: "BEHIND", alignment: .right),
        .init(title: "SECONDS", alignment: .right, isOptional: true),
        .init(title: "TRANSPORT", isOptional: true),
        .init(title: "ADDRESS", isOptional: true),
    ]

    private func subscriberLines(_ count: Int, _ width: Int?, _ style: Style) -> [String] {
        var table = Table(columns: Self.subscriberColumns, width: width, style: style)
        let lines = table.lines(
            of: self.sample.slowest.prefix(count).map { subscriber in
                [
                    "\(subscriber.id)", printable(subscriber.topics.joined(separator: " ")),
                    printable(subscriber.state), Quantity.count(subscriber.idsBehind),
                    Quantity.duration(seconds: max(0, subscriber.secondsBehind)),
                    printable(subscriber.transport), printable(subscriber.address),
                ]
            }
        )
        guard count > 0, self.sample.slowest.isEmpty else { return lines }
        return lines + [ScreenLine("no subscribers", .dim).text(width: width, style)]
    }
}
