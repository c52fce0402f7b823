import TickertapeCore

/// What one loop counts.
///
/// Confined to its event loop: plain integers, read by whoever asks there.
struct LoopCounters {
    private(set) var out = LoopStatistics.Out()
    /// Since it was last taken; at most one for each topic there is.
    private(set) var outByTopic: [TopicName: LoopStatistics.Out] = [:]
    private(set) var pagesFromLog: Int64 = 0
    private(set) var pagesFromMemory: Int64 = 0
    private(set) var eventStreams = 0
    private(set) var webSockets = 0
    /// Since it was last taken.
    private var delaySecondsMax = 0.0

    /// A write of so much was handed to a socket.
    mutating func wrote(_ out: LoopStatistics.Out) {
        self.out.add(out)
    }

    /// A page of so much was handed to a socket.
    mutating func wrote(_ page: MessageTally) {
        self.out.add(page.all)
        for (name, out) in page.topics { self.attribute(out, to: name, times: 1) }
    }

    /// So many writes have carried so much of a topic.
    mutating func attribute(_ out: LoopStatistics.Out, to topic: TopicName, times: Int64) {
        self.outByTopic[topic, default: LoopStatistics.Out()].add(out, times: times)
    }

    enum PageSource {
        case log
        case memory
    }

    mutating func readPage(from source: PageSource) {
        switch source {
        case .log: self.pagesFromLog += 1
        case .memory: self.pagesFromMemory += 1
        }
    }

    mutating func opened(_ kind: TransportKind) {
        self.count(1, kind)
    }

    mutating func closed(_ kind: TransportKind) {
        self.count(-1, kind)
        assert(self.eventStreams >= 0 && self.webSockets >= 0, "what closes was open")
    }

    private mutating func count(_ change: Int, _ kind: TransportKind) {
        switch kind {
        case .eventStream: self.eventStreams += change
        case .webSocket: self.webSockets += change
        }
    }

    mutating func wasLate(bySeconds seconds: Double) {
        self.delaySecondsMax = max(self.delaySecondsMax, seconds)
    }

    mutating func take() -> LoopStatistics {
        var taken = LoopStatistics()
        taken.subscribers = [.eventStream: self.eventStreams, .webSocket: self.webSockets]
        taken.out = self.out
        swap(&taken.outByTopic, &self.outByTopic)
        taken.pagesFromLog = self.pagesFromLog
        taken.pagesFromMemory = self.pagesFromMemory
        swap(&taken.delaySecondsMax, &self.delaySecondsMax)
        return taken
    }
}
