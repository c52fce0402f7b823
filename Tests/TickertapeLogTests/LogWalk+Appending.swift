import Testing
import TickertapeCore
import TickertapeLog
import TickertapeTestSupport

/// What is appended, and what ends.
extension LogWalk {
    mutating func append() async throws {
        if self.random.oneIn(20) { (self.sequence, self.oracleSequence) = (.init(), .init()) }
        var drafts: [Draft] = []
        for _ in 0..<self.random.int(1...5) { drafts.append(try self.anyDraft()) }
        let isAtomic = self.random.oneIn(3)
        let results = try await self.open().append(drafts, atomic: isAtomic)
        let expected = await self.oracle.append(
            drafts.map { $0.sequence == nil ? $0 : $0.following(self.oracleSequence) },
            atomic: isAtomic
        )
        self.check(
            results.withoutTimes == expected.withoutTimes,
            "\(results) instead of \(expected)"
        )
    }

    private mutating func anyDraft() throws -> Draft {
        let once = self.random.oneIn(5) ? "key \(self.random.int(0...3))" : nil
        let topic = self.random.pick(self.topics)
        let sequence = self.random.oneIn(5) ? self.sequence : nil
        let condition = self.random.oneIn(8) ? self.anyCondition() : nil
        if self.random.oneIn(40) { return try ending(topic, .stopped, sequence: sequence) }
        let data = String(
            repeating: "x",
            count: self.random.int(0...3) * (once == nil ? 20 : 1)
        )
        return try draft(
            topic,
            data,
            once: once,
            end: self.random.oneIn(40) ? .withMessage : .none,
            condition: condition,
            sequence: sequence
        )
    }

    private mutating func anyCondition() -> PublishCondition {
        let ids = self.oracle.messages.suffix(self.random.int(1...20)).map(\.id)
        switch self.random.int(0...3) {
        case 0: return .hasMessage
        case 1: return .hasNoMessage
        case 2: return .lastIDIsOneOf(ids)
        default: return .lastIDIsNoneOf(ids)
        }
    }

    /// Ends or reopens a topic as an operator does, and looks at what has ended.
    mutating func end() async throws {
        let name = try TopicName(self.random.pick(self.topics))
        let log = try self.open()
        if self.random.oneIn(4) {
            let ended = try await log.endTopic(name, reason: .ended)?.withoutTime
            let expected = self.oracle.end(name)?.withoutTime
            self.check(ended == expected, "\(String(describing: ended)) of \(name)")
        } else {
            let reopened = try await log.reopenTopic(name)
            self.check(reopened == self.oracle.reopen(name), "\(name) reopened")
        }
        try self.checkEnds(log)
    }

    mutating func checkEnds(_ log: SQLiteLog) throws {
        for _ in 0..<5 {
            let filter = try self.anyFilter()
            let (end, expected) = (log.end(of: filter), self.oracle.end(of: filter))
            self.check(
                end?.lastID == expected?.lastID,
                "\(String(describing: end)) of \(filter.patterns), not \(String(describing: expected))"
            )
            guard let last = end?.last else { continue }
            let own = self.oracle.end(of: TopicFilter(topic: last.topic))?.last
            self.check(last.withoutTime == own?.withoutTime, "\(last)")
        }
        let topics = log.topics
        self.check(topics.endedCount == topics.ends.count, "ended topics are counted")
        self.check(topics.deletedCount == topics.deletions.count { $0 }, "deleted ones are counted")
    }
}

extension Draft {
    /// The same in another sequence.
    fileprivate func following(_ sequence: PublishSequence) -> Draft {
        Draft(
            topic: self.topic,
            event: self.event,
            key: self.key,
            data: self.data,
            idempotencyKey: self.idempotencyKey,
            end: self.end,
            condition: self.condition,
            sequence: sequence
        )
    }
}
