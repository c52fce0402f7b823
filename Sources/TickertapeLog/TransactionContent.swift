import TickertapeCore

extension Transaction {
    /// What a transaction has gathered so far.
    struct Content {
        private(set) var messages: [Message] = []
        var results: [AppendResult] = []
        private(set) var newTopics: [TopicName: Int64] = [:]
        /// Topics that were deleted and are there again.
        private(set) var revivedTopics: Set<Int64> = []
        /// By the numbers of topics.
        private(set) var appended: [Int64: TopicCatalog.Appended] = [:]
        /// Topics that have ended, by their numbers.
        private(set) var ends: [Int64: TopicEnd] = [:]
        /// Those numbers in the order in which they have.
        private(set) var endedTopics: [Int64] = []
        var repeatCount: Int64 = 0
        var refusalCount: Int64 = 0
        /// Idempotency keys it has stored.
        var keyCount = 0
        /// While there is an atomic part, how everything was before.
        private var part: Part?

        /// New topics in the order of their numbers.
        var topicsToAdd: [(TopicName, Int64)] {
            self.newTopics.sorted { $0.value < $1.value }.map { ($0.key, $0.value) }
        }

        mutating func add(_ message: Message, topicNumber: Int64) {
            self.part?.willAppend(to: topicNumber, self.appended[topicNumber])
            self.appended[topicNumber, default: .init()].add(message.id, message.data.utf8.count)
            self.messages.append(message)
        }

        mutating func add(_ topic: TopicName, number: Int64) {
            self.newTopics[topic] = number
            self.part?.newTopics.append(topic)
        }

        mutating func revive(_ number: Int64) {
            self.revivedTopics.insert(number)
            self.part?.revivedTopics.append(number)
        }

        mutating func add(_ end: TopicEnd, topicNumber: Int64) {
            assert(self.ends[topicNumber] == nil, "a topic ends once")
            self.ends[topicNumber] = end
            self.endedTopics.append(topicNumber)
        }
    }

    /// What an atomic part of the open transaction has to put back.
    ///
    /// Counts and a few entries, not a copy: a transaction may have thousands of small parts.
    private struct Part {
        let messageCount: Int
        let resultCount: Int
        let endCount: Int
        let repeatCount: Int64
        let refusalCount: Int64
        let keyCount: Int
        var newTopics: [TopicName] = []
        var revivedTopics: [Int64] = []
        /// What the transaction had appended to topics that the part appends to.
        var appended: [Int64: TopicCatalog.Appended?] = [:]

        mutating func willAppend(to number: Int64, _ before: TopicCatalog.Appended?) {
            guard self.appended[number] == nil else { return }
            self.appended.updateValue(before, forKey: number)
        }
    }
}

extension Transaction.Content {
    mutating func beginPart() {
        precondition(self.part == nil, "one part after the other")
        self.part = Transaction.Part(
            messageCount: self.messages.count,
            resultCount: self.results.count,
            endCount: self.endedTopics.count,
            repeatCount: self.repeatCount,
            refusalCount: self.refusalCount,
            keyCount: self.keyCount
        )
    }

    mutating func endPart() { self.part = nil }

    /// Makes everything as it was when the part began.
    mutating func abandonPart() {
        guard let part = self.part else { preconditionFailure("there is no part") }
        self.part = nil
        self.messages.removeLast(self.messages.count - part.messageCount)
        self.results.removeLast(self.results.count - part.resultCount)
        for topic in part.newTopics { self.newTopics[topic] = nil }
        for number in part.revivedTopics { self.revivedTopics.remove(number) }
        for (number, before) in part.appended { self.appended[number] = before }
        for number in self.endedTopics[part.endCount...] { self.ends[number] = nil }
        self.endedTopics.removeLast(self.endedTopics.count - part.endCount)
        self.repeatCount = part.repeatCount
        self.refusalCount = part.refusalCount
        self.keyCount = part.keyCount
    }
}
