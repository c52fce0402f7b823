import TickertapeCore

/// How many messages something carries, and of which topics.
///
/// Payload is counted, nothing else: what a publisher sent as `data`, in UTF-8.
struct MessageTally: Sendable {
    private(set) var all = LoopStatistics.Out()
    /// A topic stands there once for each run of its messages.
    private(set) var topics: [(name: TopicName, out: LoopStatistics.Out)] = []

    mutating func add(_ message: Message) {
        let one = LoopStatistics.Out(messages: 1, bytes: Int64(message.data.utf8.count))
        self.all.add(one)
        if let last = self.topics.indices.last, self.topics[last].name == message.topic {
            self.topics[last].out.add(one)
        } else {
            self.topics.append((message.topic, one))
        }
    }
}

extension LoopStatistics.Out {
    init(messages: Int64, bytes: Int64) {
        self.init()
        self.messages = messages
        self.bytes = bytes
    }

    mutating func add(_ other: Self, times: Int64 = 1) {
        self.messages += other.messages * times
        self.bytes += other.bytes * times
    }
}
