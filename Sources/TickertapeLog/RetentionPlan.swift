import GRDB
import TickertapeCore

/// What retention would remove, found topic by topic.
///
/// By the same rules as `RetentionMachine`, but exactly up to what a policy keeps: no topic is
/// tolerated a little over it.
struct RetentionPlan: Sendable {
    private let policies: PolicySet
    private let topics: TopicTable
    private let now: Int64
    private var next = 0
    /// What was found of the topic that is looked at.
    private var partial: MessageRemover.Found?
    private(set) var removals: [TopicRemoval] = []

    var isDone: Bool { self.next == self.topics.names.count }

    init(_ policies: PolicySet, topics: TopicTable, atMilliseconds now: Int64) {
        self.policies = policies
        self.topics = topics
        self.now = now
    }

    /// Looks at some more rows, in one short transaction.
    mutating func look(with reader: PageReader) throws(SQLiteFailure) {
        let oldest = try reader.statement(TopicMessages.select("id, length(data), time"))
        let purged = reader.shared.catalog.purged
        try reader.begin.run()
        defer { try? reader.commit.run() }
        var left = reader.limits.pageRowsExaminedMax
        while left > 0 && !self.isDone {
            left -= 1
            if let removal = self.removal(of: self.next) {
                self.removals.append(removal)
                self.next += 1
                continue
            }
            guard let bounds = self.bounds(of: self.next) else {
                self.next += 1
                continue
            }
            let number = self.topics.numbers[self.next]
            var found = self.partial ?? .init(through: purged[number] ?? 0)
            TopicMessages.bind(oldest, topic: number, after: found.through)
            let isCut = try self.look(oldest, bounds, &left, &found)
            if isCut {
                self.partial = found
            } else {
                self.finish(found)
            }
        }
    }

    /// - Returns: Whether it was cut short.
    private func look(
        _ oldest: PreparedStatement,
        _ bounds: RetentionMachine.Bounds,
        _ left: inout Int,
        _ found: inout MessageRemover.Found
    ) throws(SQLiteFailure) -> Bool {
        let messages = self.topics.messageCounts[self.next] - bounds.messagesMax
        let bytes = self.topics.byteCounts[self.next] - bounds.bytesMax
        let expired = bounds.ageMilliseconds.map { self.now - $0 } ?? .min
        while try oldest.step() {
            let isKept =
                found.messages >= messages && found.bytes >= bytes && oldest.int64(2) > expired
            if isKept || left <= 0 {
                oldest.reset()
                return !isKept
            }
            left -= 1
            found.messages += 1
            found.bytes += oldest.int64(1)
            found.through = oldest.int64(0)
        }
        return false
    }

    private mutating func finish(_ found: MessageRemover.Found) {
        if found.messages > 0 {
            self.removals.append(
                TopicRemoval(
                    topic: self.topics.names[self.next],
                    messages: found.messages,
                    bytes: found.bytes,
                    removedThrough: found.through
                )
            )
        }
        self.partial = nil
        self.next += 1
    }

    /// The whole topic, where it ended long ago.
    private func removal(of index: Int) -> TopicRemoval? {
        guard self.topics.hasEnded(index), let end = self.topics.end(index) else { return nil }
        let bounds = RetentionMachine.Bounds(self.policies.policy(for: end.topic))
        guard let due = bounds.due(end.timeMilliseconds), due <= self.now else { return nil }
        let messages = self.topics.messageCounts[index]
        return TopicRemoval(
            topic: end.topic,
            messages: messages,
            bytes: self.topics.byteCounts[index],
            removedThrough: messages == 0 ? 0 : self.topics.lastIDs[index]
        )
    }

    /// Nothing when there is nothing to remove.
    private func bounds(of index: Int) -> RetentionMachine.Bounds? {
        guard self.topics.messageCounts[index] > 0 else { return nil }
        let bounds = RetentionMachine.Bounds(self.policies.policy(for: self.topics.names[index]))
        let isOver =
            bounds.ageMilliseconds != nil || self.topics.messageCounts[index] > bounds.messagesMax
            || self.topics.byteCounts[index] > bounds.bytesMax
        return isOver ? bounds : nil
    }
}
