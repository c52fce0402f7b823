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

    private(set) var messages: [Message] = []
    private(set) var head: Int64 = 0
    private var numbers: [TopicName: Int64] = [:]
    private var removedThrough: [TopicName: Int64] = [:]
    private var deleted: Set<TopicName> = []
    private var firsts: [Key: First] = [:]

    mutating func append(_ draft: Draft, to batch: inout [Message]) -> AppendResult {
        if let text = draft.idempotencyKey {
            let key = Key(topic: draft.topic, key: text)
            if let first = self.firsts[key] {
                let isSame =
                    first.draft.event == draft.event && first.draft.key == draft.key
                    && bytesAreEqual(first.draft.data, draft.data)
                return isSame ? .alreadyStored(id: first.id) : .idempotencyKeyReused
            }
            self.firsts[key] = First(draft: draft, id: self.head + 1)
        }
        self.head += 1
        self.numbers[draft.topic] = self.numbers[draft.topic] ?? Int64(self.numbers.count + 1)
        self.deleted.remove(draft.topic)
        let message = Message(
            id: self.head,
            topic: draft.topic,
            timeMilliseconds: self.head,
            event: draft.event,
            key: draft.key,
            data: draft.data
        )
        self.messages.append(message)
        batch.append(message)
        return .stored(id: self.head)
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
        return removed
    }

    func end(of filter: TopicFilter) -> FilterEnd? {
        guard let topics = filter.exactTopics, let last = topics.last,
            topics.allSatisfy({ self.deleted.contains($0) })
        else { return nil }
        let end = TopicEnd(topic: last, reason: .deleted, lastID: 0, timeMilliseconds: 0)
        return FilterEnd(last: end, lastID: 0)
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
                || (!taken.isEmpty && bytes + message.bytes > request.bytesMax)
            isCut = examined == examinedMax || (isSelected && isTooMuch)
            if isCut { break }
            examined += 1
            through = message.id
            guard isSelected else { continue }
            taken.append(message)
            bytes += message.bytes
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
