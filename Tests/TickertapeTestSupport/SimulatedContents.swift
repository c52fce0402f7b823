import TickertapeCore
import TickertapeLog

/// What a simulated log holds, read in the plainest way there is.
struct SimulatedContents: Sendable {
    private struct Key: Hashable {
        let topic: TopicName
        let key: String
    }

    private struct First {
        let draft: Draft
        let id: Int64
    }

    /// What one transaction is to tell besides its results.
    struct News {
        var messages: [Message] = []
        var ends: [TopicEnd] = []
    }

    private(set) var messages: [Message] = []
    private(set) var head: Int64 = 0
    /// That was given last; ids of what was undone are skipped.
    private var lastID: Int64 = 0
    private var numbers: [TopicName: Int64] = [:]
    private var lastIDs: [TopicName: Int64] = [:]
    private var removedThrough: [TopicName: Int64] = [:]
    private var deleted: Set<TopicName> = []
    private var ends: [TopicName: TopicEnd] = [:]
    /// When topics have ended or were deleted, counted.
    private var endings: [TopicName: Int] = [:]
    private var endingCount = 0
    private var firsts: [Key: First] = [:]

    mutating func append(_ drafts: [Draft], atomic: Bool, to news: inout News) -> [AppendResult] {
        // Only then: the log would be copied each time.
        let before = atomic ? (self, news) : nil
        var results: [AppendResult] = []
        for (index, draft) in drafts.enumerated() {
            let result = self.append(draft, to: &news)
            results.append(result)
            guard !result.isDone else { continue }
            draft.sequence?.breakOff()
            guard let before else { continue }
            let lastID = self.lastID
            (self, news) = before
            self.lastID = lastID
            for draft in drafts { draft.sequence?.breakOff() }
            let reason = self.withoutUndoneIDs(result, draft.topic)
            return drafts.indices.map { $0 == index ? reason : .skipped }
        }
        return results
    }

    private func withoutUndoneIDs(_ result: AppendResult, _ topic: TopicName) -> AppendResult {
        let lastID = self.lastIDs[topic] ?? 0
        switch result {
        case .conditionFailed: return .conditionFailed(lastID: lastID)
        case .topicEnded(let end) where self.ends[topic] == nil:
            return .topicEnded(
                TopicEnd(
                    topic: topic,
                    reason: end.reason,
                    lastID: lastID,
                    timeMilliseconds: end.timeMilliseconds
                )
            )
        default: return result
        }
    }

    private mutating func append(_ draft: Draft, to news: inout News) -> AppendResult {
        if let sequence = draft.sequence, sequence.isBroken { return .skipped }
        if case .withoutMessage(let reason) = draft.end {
            if let end = self.ends[draft.topic] { return .ended(end) }
            if let lastID = self.lastIDFailing(draft) { return .conditionFailed(lastID: lastID) }
            self.make(draft.topic)
            return .ended(self.end(draft.topic, reason, &news))
        }
        let key = draft.idempotencyKey.map { Key(topic: draft.topic, key: $0) }
        if let key, let first = self.firsts[key] {
            let isSame =
                first.draft.event == draft.event && first.draft.key == draft.key
                && bytesAreEqual(first.draft.data, draft.data)
                && (first.draft.end == .withMessage) == (draft.end == .withMessage)
            return isSame ? .alreadyStored(id: first.id) : .idempotencyKeyReused
        }
        if let end = self.ends[draft.topic] { return .topicEnded(end) }
        if let lastID = self.lastIDFailing(draft) { return .conditionFailed(lastID: lastID) }
        self.lastID += 1
        self.head = self.lastID
        self.make(draft.topic)
        self.lastIDs[draft.topic] = self.head
        if let key { self.firsts[key] = First(draft: draft, id: self.head) }
        let message = Message(
            id: self.head,
            topic: draft.topic,
            timeMilliseconds: self.head,
            event: draft.event,
            key: draft.key,
            data: draft.data
        )
        self.messages.append(message)
        news.messages.append(message)
        if draft.end == .withMessage { _ = self.end(draft.topic, .ended, &news) }
        return .stored(id: self.head)
    }

    private mutating func make(_ topic: TopicName) {
        self.numbers[topic] = self.numbers[topic] ?? Int64(self.numbers.count + 1)
        self.deleted.remove(topic)
    }

    /// The last id of the topic, when the condition of a draft does not hold.
    private func lastIDFailing(_ draft: Draft) -> Int64? {
        guard let condition = draft.condition else { return nil }
        let lastID = self.lastIDs[draft.topic] ?? 0
        let hasMessage = self.messages.contains { $0.topic == draft.topic }
        return condition.holds(lastID: lastID, hasMessage: hasMessage) ? nil : lastID
    }

    private mutating func end(
        _ topic: TopicName,
        _ reason: TopicEnd.Reason,
        _ news: inout News
    ) -> TopicEnd {
        let end = TopicEnd(
            topic: topic,
            reason: reason,
            lastID: self.lastIDs[topic] ?? 0,
            timeMilliseconds: self.lastID
        )
        self.ends[topic] = end
        self.noteEnding(topic)
        news.ends.append(end)
        return end
    }

    private mutating func noteEnding(_ topic: TopicName) {
        self.endingCount += 1
        self.endings[topic] = self.endingCount
    }

    /// - Returns: How the topic has ended, now or before; nothing when there is none.
    mutating func end(_ topic: TopicName, _ reason: TopicEnd.Reason) -> (TopicEnd, isNew: Bool)? {
        guard self.numbers[topic] != nil, !self.deleted.contains(topic) else { return nil }
        if let end = self.ends[topic] { return (end, false) }
        var news = News()
        return (self.end(topic, reason, &news), true)
    }

    /// - Returns: `false` when it had not ended; nothing when there is no such topic.
    mutating func reopen(_ topic: TopicName) -> Bool? {
        guard self.numbers[topic] != nil, !self.deleted.contains(topic) else { return nil }
        return self.ends.removeValue(forKey: topic) != nil
    }

    /// As after a restart: ids that were skipped since the last message may be given, but for those
    /// that others have used meanwhile.
    mutating func restart(used: Int64) {
        self.head += used
        self.lastID = self.head
    }

    mutating func remove(where isRemoved: (Message) -> Bool) {
        for message in self.messages where isRemoved(message) {
            let before = self.removedThrough[message.topic] ?? 0
            self.removedThrough[message.topic] = max(before, message.id)
        }
        self.messages.removeAll(where: isRemoved)
    }

    /// - Returns: The largest id that was ever removed; nothing when there is no such topic.
    mutating func purge(_ topic: TopicName, through id: Int64) -> Int64? {
        guard self.numbers[topic] != nil, !self.deleted.contains(topic) else { return nil }
        self.remove { $0.topic == topic && $0.id <= id }
        return self.removedThrough[topic] ?? 0
    }

    /// - Returns: As for `purge`.
    mutating func delete(_ topic: TopicName) -> Int64? {
        guard let removed = self.purge(topic, through: self.head) else { return nil }
        self.deleted.insert(topic)
        self.ends[topic] = nil
        self.noteEnding(topic)
        return removed
    }

    func end(of filter: TopicFilter) -> FilterEnd? {
        guard let topics = filter.exactTopics else { return nil }
        let ends = topics.compactMap { self.end(of: $0) }
        let last = ends.max {
            self.endings[$0.topic, default: 0] < self.endings[$1.topic, default: 0]
        }
        guard ends.count == topics.count, let last else { return nil }
        return FilterEnd(last: last, lastID: ends.map(\.lastID).max() ?? 0)
    }

    private func end(of topic: TopicName) -> TopicEnd? {
        guard self.deleted.contains(topic) else { return self.ends[topic] }
        return TopicEnd(topic: topic, reason: .deleted, lastID: 0, timeMilliseconds: 0)
    }

    func page(_ request: PageRequest, examinedMax: Int) -> Page {
        let removed = self.removedThrough.filter { topic, removed in
            request.filter.matches(topic) && !self.isBeforeTail(removed, of: topic, request.tail)
        }.values.max()
        var taken: [Message] = []
        var bytes = 0
        var through = request.after
        var examined = 0
        var isCut = false
        for message in self.messages where message.id > request.after {
            let isSelected =
                request.filter.matches(message.topic)
                && !self.isBeforeTail(message.id, of: message.topic, request.tail)
            let isTooMuch =
                taken.count == request.messagesMax
                || (!taken.isEmpty && bytes + request.bytes(of: message) > request.bytesMax)
            isCut = examined == examinedMax || (isSelected && isTooMuch)
            if isCut { break }
            examined += 1
            through = message.id
            guard isSelected else { continue }
            taken.append(message)
            bytes += request.bytes(of: message)
        }
        return Page(
            messages: taken,
            through: isCut ? through : max(self.head, request.after),
            head: self.head,
            removedThrough: removed.flatMap { $0 > request.after ? $0 : nil }
        )
    }

    func tail(of filter: TopicFilter, count: Int, upTo head: Int64) -> TailStart {
        var firstIDs: [Int64: Int64] = [:]
        var after = head
        for (topic, number) in self.numbers where filter.matches(topic) {
            let known = self.messages.filter { $0.topic == topic && $0.id <= head }
            let first = known.suffix(count).first
            firstIDs[number] = count == 0 ? head + 1 : first?.id ?? 0
            if let first { after = min(after, first.id - 1) }
        }
        return TailStart(after: after, end: head, firstIDs: firstIDs)
    }

    func message(id: Int64) -> Message? {
        self.messages.first { $0.id == id }
    }

    private func isBeforeTail(_ id: Int64, of topic: TopicName, _ tail: TailStart?) -> Bool {
        guard let tail, id <= tail.end, let number = self.numbers[topic] else { return false }
        guard let first = tail.firstIDs[number], first > 0 else { return true }
        return id < first
    }
}
