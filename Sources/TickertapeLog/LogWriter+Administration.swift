import Synchronization
import TickertapeCore

/// The messages a purge is about, which are counted before it takes place.
struct PurgeCount: Sendable {
    let number: Int64
    let after: Int64
    let through: Int64
}

/// How far a purge has come.
enum PurgeStep: Sendable {
    /// There is no such topic.
    case noTopic
    /// How many messages it is about has to be counted; nothing is removed from the topic
    /// meanwhile.
    case counting(PurgeCount)
    case done(TopicRemoval)

    var removal: TopicRemoval? {
        guard case .done(let removal) = self else { return nil }
        return removal
    }
}

/// What operators do to the log, between two transactions of publishers.
extension LogWriter {
    func setPolicy(_ policy: Policy) throws(LogError) -> Bool {
        var policies = self.shared.policies
        policies.set(policy)
        guard policies.policies.count <= PolicySet.countMax else { return false }
        try self.change { writer throws(SQLiteFailure) in try writer.policyTable.set(policy) }
        self.apply(policies, policy.pattern)
        return true
    }

    func removePolicy(_ pattern: TopicPattern) throws(LogError) -> Bool {
        var policies = self.shared.policies
        guard policies.remove(pattern) else { return false }
        try self.change { writer throws(SQLiteFailure) in try writer.policyTable.remove(pattern) }
        self.apply(policies, pattern)
        return true
    }

    private func apply(_ policies: PolicySet, _ pattern: TopicPattern) {
        self.shared.policies = policies
        self.transaction.apply(policies)
        self.retention.policyChanged(pattern, policies)
    }

    func createTopic(_ topic: TopicName) throws(LogError) -> Bool {
        var isNew = false
        try self.change { writer throws(SQLiteFailure) in
            isNew = try writer.transaction.create(topic)
        }
        return isNew
    }

    func deleteTopic(_ topic: TopicName) throws(LogError) -> TopicRemoval? {
        guard let found = self.shared.catalog.find(topic), !found.isDeleted else { return nil }
        let standing = self.retention.standing(of: found.number)
        let purge = Retention.Purge(
            number: found.number,
            through: standing.lastID,
            messages: standing.messages,
            bytes: standing.bytes
        )
        var end: TopicEnd?
        try self.change { writer throws(SQLiteFailure) in
            let deleted = TopicEnd.deleted(
                topic,
                atMilliseconds: writer.transaction.timeMilliseconds
            )
            try writer.retention.write(purge, deleted)
            end = deleted
        }
        guard let end else { preconditionFailure("a topic that was deleted has an end") }
        self.retention.take(.init(purge: purge, end: end))
        self.count(purge)
        self.shared.announce(.deleted(topic, through: purge.through))
        return self.removal(topic, purge)
    }

    /// - Returns: Nothing when there is no such topic.
    func endTopic(_ topic: TopicName, _ reason: TopicEnd.Reason) throws(LogError) -> TopicEnd? {
        guard let found = self.shared.catalog.find(topic), !found.isDeleted else { return nil }
        if let known = self.shared.catalog.end(of: found.number) { return known }
        let lastID = self.retention.standing(of: found.number).lastID
        var end: TopicEnd?
        try self.change { writer throws(SQLiteFailure) in
            end = try writer.transaction.end(found.number, topic, reason, lastID)
        }
        return end
    }

    /// - Returns: `false` when it had not ended; nothing when there is no such topic.
    func reopenTopic(_ topic: TopicName) throws(LogError) -> Bool? {
        guard let found = self.shared.catalog.find(topic), !found.isDeleted else { return nil }
        guard found.hasEnded else { return false }
        try self.change { writer throws(SQLiteFailure) in
            try writer.transaction.reopen(found.number)
        }
        self.shared.catalog.revive(found.number)
        self.retention.reopened(found.number)
        return true
    }

    /// What a purge is about: all of the topic, which is counted already, or a part that is not.
    private enum PurgeScope {
        case all(Retention.Purge)
        case part(PurgeCount)
    }

    private func scope(_ topic: TopicName, before id: Int64) -> PurgeScope? {
        guard let found = self.shared.catalog.find(topic), !found.isDeleted else { return nil }
        let standing = self.retention.standing(of: found.number)
        guard id > standing.lastID else {
            return .part(
                PurgeCount(
                    number: found.number,
                    after: standing.purgedThrough,
                    through: max(id, 1) - 1
                )
            )
        }
        return .all(
            Retention.Purge(
                number: found.number,
                through: standing.lastID,
                messages: standing.messages,
                bytes: standing.bytes
            )
        )
    }

    /// As `beginPurge`, but nothing is held or removed.
    func planPurge(_ topic: TopicName, before id: Int64) -> PurgeStep {
        switch self.scope(topic, before: id) {
        case nil: .noTopic
        case .part(let count): .counting(count)
        case .all(let purge): .done(self.removal(topic, purge))
        }
    }

    func beginPurge(_ topic: TopicName, before id: Int64) throws(LogError) -> PurgeStep {
        switch self.scope(topic, before: id) {
        case nil: return .noTopic
        case .part(let count):
            self.retention.hold(count.number)
            return .counting(count)
        case .all(let purge): return .done(try self.purge(topic, purge))
        }
    }

    func endPurge(
        _ begun: PurgeCount,
        _ counted: PageReader.Count
    ) throws(LogError) -> PurgeStep {
        self.retention.release(begun.number)
        guard let topic = self.shared.catalog.name(of: begun.number),
            let found = self.shared.catalog.find(topic), !found.isDeleted
        else { return .noTopic }
        let standing = self.retention.standing(of: begun.number)
        guard standing.purgedThrough == begun.after else { return .counting(begun) }
        let purge = Retention.Purge(
            number: begun.number,
            through: counted.messages == 0 ? 0 : counted.through,
            messages: counted.messages,
            bytes: counted.bytes
        )
        return .done(try self.purge(topic, purge))
    }

    func abandonPurge(_ begun: PurgeCount) {
        self.retention.release(begun.number)
    }

    private func purge(
        _ topic: TopicName,
        _ purge: Retention.Purge
    ) throws(LogError) -> TopicRemoval {
        guard purge.messages > 0 else { return self.removal(topic, purge) }
        try self.change { writer throws(SQLiteFailure) in try writer.retention.write(purge) }
        self.retention.take(purge)
        self.count(purge)
        self.shared.announce(.purged(topic, through: purge.through))
        return self.removal(topic, purge)
    }

    private func count(_ purge: Retention.Purge) {
        let dueCount = self.retention.dueCount
        self.shared.counters.withLock { counters in
            counters.messagesRemoved += purge.messages
            counters.bytesRemoved += purge.bytes
            counters.topicsDue = dueCount
        }
    }

    private func removal(_ topic: TopicName, _ purge: Retention.Purge) -> TopicRemoval {
        TopicRemoval(
            topic: topic,
            messages: purge.messages,
            bytes: purge.bytes,
            removedThrough: purge.messages == 0 ? 0 : purge.through
        )
    }
}
