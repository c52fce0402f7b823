import GRDB
import GRDBSQLite
import Synchronization
import TickertapeCore

/// The statements of the one open transaction, and what it holds until it is committed.
///
/// Writer thread only.
struct Transaction {
    private(set) var content = Content()

    private let connection: OpaquePointer?
    private let catalog: TopicCatalog
    private let begin: PreparedStatement
    private let commit: PreparedStatement
    private let rollback: PreparedStatement
    private let savepoint: PreparedStatement
    private let release: PreparedStatement
    private let rollbackPart: PreparedStatement
    private let records: TopicRecords
    private let insertMessage: PreparedStatement
    private let blocks: TopicBlocks
    private let findKey: PreparedStatement
    private let insertKey: PreparedStatement
    private let keptMilliseconds: Int64
    private var pruner: KeyPruner
    /// Nothing when no policy restricts publishing.
    private var rules: PublishRules?

    /// Ids of a failed transaction are skipped, never given to other messages.
    private var lastID: Int64
    private var lastTopicNumber: Int64
    private(set) var timeMilliseconds: Int64

    init(_ database: Database, shared: LogShared, limits: Limits) throws {
        self.connection = database.sqliteConnection
        self.catalog = shared.catalog
        self.begin = try PreparedStatement(database, "BEGIN IMMEDIATE")
        self.commit = try PreparedStatement(database, "COMMIT")
        self.rollback = try PreparedStatement(database, "ROLLBACK")
        self.savepoint = try PreparedStatement(database, "SAVEPOINT part")
        self.release = try PreparedStatement(database, "RELEASE part")
        self.rollbackPart = try PreparedStatement(database, "ROLLBACK TO part")
        self.records = try TopicRecords(database)
        self.insertMessage = try PreparedStatement(
            database,
            "INSERT INTO messages (id, topic_id, time, event, key, data) VALUES (?,?,?,?,?,?)"
        )
        self.blocks = try TopicBlocks(database)
        self.findKey = try PreparedStatement(
            database,
            """
            SELECT digest, message_id FROM idempotency
            WHERE topic_id = ? AND key = ? AND time > ?
            """
        )
        self.insertKey = try PreparedStatement(
            database,
            """
            INSERT OR REPLACE INTO idempotency (topic_id, key, digest, message_id, time)
            VALUES (?, ?, ?, ?, ?)
            """
        )
        self.keptMilliseconds = Int64(limits.idempotencyHours) * 3_600_000
        self.pruner = try KeyPruner(database, limits: limits)
        self.rules = PublishRules(shared.policies)
        self.lastID = shared.head.load(ordering: .relaxed)
        self.lastTopicNumber =
            try Int64.fetchOne(database, sql: "SELECT max(id) FROM topics") ?? 0
        self.timeMilliseconds =
            try Int64.fetchOne(
                database,
                sql: "SELECT time FROM messages ORDER BY id DESC LIMIT 1"
            ) ?? 0
    }

    /// Opens the transaction; its messages get this time, or the last one if the clock went back.
    mutating func open(atMilliseconds now: Int64) throws(SQLiteFailure) {
        assert(self.content.results.isEmpty, "the last transaction was not taken")
        self.timeMilliseconds = max(now, self.timeMilliseconds)
        try self.begin.run()
    }

    /// From the next draft on these policies apply.
    mutating func apply(_ policies: PolicySet) {
        self.rules = PublishRules(policies)
    }

    /// Does what a draft asks for, unless something speaks against it.
    mutating func insert(_ draft: Draft) throws(SQLiteFailure) {
        let result = try self.result(of: draft)
        self.content.results.append(result)
        if let sequence = draft.sequence, !result.isDone { sequence.breakOff() }
    }

    /// Does what all drafts ask for, or nothing.
    ///
    /// The ids of what was undone are skipped, as those of a failed transaction.
    mutating func insert(atomically drafts: [Draft]) throws(SQLiteFailure) {
        try self.beginPart()
        self.content.beginPart()
        for (index, draft) in drafts.enumerated() {
            let result = try self.result(of: draft)
            guard result.isDone else { return try self.abandonPart(drafts, index, result) }
            self.content.results.append(result)
        }
        self.content.endPart()
        try self.endPart()
    }

    private mutating func abandonPart(
        _ drafts: [Draft],
        _ index: Int,
        _ result: AppendResult
    ) throws(SQLiteFailure) {
        guard self.abandonPart() else {
            throw SQLiteFailure(self.connection, sqlite3_extended_errcode(self.connection))
        }
        self.content.abandonPart()
        let reason = self.withoutIDsOfPart(result, drafts[index].topic)
        for other in drafts.indices {
            self.content.results.append(other == index ? reason : .skipped)
            drafts[other].sequence?.breakOff()
        }
        if result != .skipped { self.content.refusalCount += 1 }
    }

    /// The same result with the last id that the topic has without the part: an id that was undone
    /// is nobody's, and a condition on it must never hold.
    private func withoutIDsOfPart(_ result: AppendResult, _ name: TopicName) -> AppendResult {
        let topic = self.find(name)
        let (lastID, _) = self.standing(of: topic)
        switch result {
        case .conditionFailed: return .conditionFailed(lastID: lastID)
        case .topicEnded(let end) where topic.flatMap({ self.end(of: $0) }) == nil:
            return .topicEnded(
                TopicEnd(
                    topic: name,
                    reason: end.reason,
                    lastID: lastID,
                    timeMilliseconds: end.timeMilliseconds
                )
            )
        default: return result
        }
    }

    /// What becomes of a draft.
    ///
    /// Of a broken sequence nothing more is stored. Then a key is looked up, and outlives its
    /// message: a repeat gets the answer the first publish got, whatever has become of the message,
    /// its topic or the policies since. So a repeat that comes late never brings a deleted topic
    /// back, and whoever sends everything again to a topic that has ended learns what it had.
    private mutating func result(of draft: Draft) throws(SQLiteFailure) -> AppendResult {
        if let sequence = draft.sequence, sequence.isBroken { return .skipped }
        if case .withoutMessage(let reason) = draft.end { return try self.end(draft, reason) }
        let topic = self.find(draft.topic)
        var digest: [UInt8] = []
        if let key = draft.idempotencyKey {
            digest = draft.contentDigest
            if let topic, let earlier = try self.earlierResult(topic.number, key, digest) {
                return earlier
            }
        }
        if let objection = self.objection(to: draft, topic) {
            self.content.refusalCount += 1
            return objection
        }
        let topicNumber = try self.use(topic, named: draft.topic)
        self.lastID += 1
        let id = self.lastID
        self.insertMessage.bind(id, at: 1)
        self.insertMessage.bind(topicNumber, at: 2)
        self.insertMessage.bind(self.timeMilliseconds, at: 3)
        self.insertMessage.bind(draft.event, at: 4)
        self.insertMessage.bind(draft.key, at: 5)
        try self.insertMessage.run(bytesOf: draft.data, at: 6)
        let last =
            self.content.appended[topicNumber]?.lastID
            ?? self.catalog.lastAppendedID(of: topicNumber)
        try self.blocks.note(topicNumber, has: id, after: last)
        if let key = draft.idempotencyKey {
            try self.remember(key, digest, topicNumber: topicNumber, id: id)
        }
        let message = Message(
            id: id,
            topic: draft.topic,
            timeMilliseconds: self.timeMilliseconds,
            event: draft.event,
            key: draft.key,
            data: draft.data
        )
        self.content.add(message, topicNumber: topicNumber)
        if draft.end == .withMessage { _ = try self.end(topicNumber, draft.topic, .ended, id) }
        return .stored(id: id)
    }

    /// What speaks against a draft: an end is final, and a condition counts only where the message
    /// would be stored without it (RFC 9110 §13.2.1).
    private mutating func objection(
        to draft: Draft,
        _ topic: TopicCatalog.Found?
    ) -> AppendResult? {
        if let topic, let end = self.end(of: topic) { return .topicEnded(end) }
        if self.rules != nil, let refusal = self.refusal(of: draft, topic) {
            return .refused(refusal)
        }
        guard let condition = draft.condition else { return nil }
        let (lastID, hasMessage) = self.standing(of: topic)
        guard !condition.holds(lastID: lastID, hasMessage: hasMessage) else { return nil }
        return .conditionFailed(lastID: lastID)
    }

    /// Makes it durable, and hands over what it held; `now` is of a clock that never goes back.
    mutating func end(atMilliseconds now: Int64) throws(SQLiteFailure) -> Content {
        try self.pruner.prune(
            expired: self.expiredMilliseconds,
            insertedCount: self.content.keyCount,
            atMilliseconds: now
        )
        try self.commit.run()
        return self.take()
    }

    /// Undoes what was inserted.
    mutating func abandon() {
        _ = self.take()
        // SQLite has rolled back by itself after some failures.
        guard sqlite3_get_autocommit(self.connection) == 0 else { return }
        try? self.rollback.run()
    }

    /// Begins a part that can be undone without the rest.
    func beginPart() throws(SQLiteFailure) { try self.savepoint.run() }

    func endPart() throws(SQLiteFailure) { try self.release.run() }

    /// Undoes the part.
    ///
    /// - Returns: `false` when SQLite has rolled back the whole transaction by itself.
    func abandonPart() -> Bool {
        guard sqlite3_get_autocommit(self.connection) == 0 else { return false }
        do throws(SQLiteFailure) {
            try self.rollbackPart.run()
            try self.release.run()
            return true
        } catch {
            return false
        }
    }

    private mutating func take() -> Content {
        var taken = Content()
        swap(&taken, &self.content)
        return taken
    }

    /// Makes a topic that has no message yet; one that was deleted is there again.
    ///
    /// - Returns: `false` when there is one of this name.
    mutating func create(_ name: TopicName) throws(SQLiteFailure) -> Bool {
        let topic = self.find(name)
        if let topic, !topic.isDeleted { return false }
        _ = try self.use(topic, named: name)
        return true
    }

    private func find(_ name: TopicName) -> TopicCatalog.Found? {
        guard let known = self.catalog.find(name) else {
            return self.content.newTopics[name].map { .init(number: $0) }
        }
        guard known.isDeleted else { return known }
        let isRevived = self.content.revivedTopics.contains(known.number)
        return .init(number: known.number, isDeleted: !isRevived)
    }

    /// The last id that a topic has had, and whether it has a message now.
    private func standing(of topic: TopicCatalog.Found?) -> (lastID: Int64, hasMessage: Bool) {
        guard let topic else { return (0, false) }
        if let appended = self.content.appended[topic.number] { return (appended.lastID, true) }
        return self.catalog.standing(of: topic.number) ?? (0, false)
    }

    private mutating func refusal(
        of draft: Draft,
        _ topic: TopicCatalog.Found?
    ) -> PublishRefusal? {
        let exists = topic.map { !$0.isDeleted } ?? false
        return self.rules?.refusal(of: draft, number: topic?.number, exists: exists)
    }

    /// The number of a topic that there is from now on.
    private mutating func use(
        _ topic: TopicCatalog.Found?,
        named name: TopicName
    ) throws(SQLiteFailure) -> Int64 {
        if let topic {
            if topic.isDeleted {
                try self.records.revive(topic.number)
                self.content.revive(topic.number)
            }
            return topic.number
        }
        // As with messages, the number of a topic that was rolled back is skipped.
        self.lastTopicNumber += 1
        let number = self.lastTopicNumber
        try self.records.insert(number, name)
        self.content.add(name, number: number)
        return number
    }

    private mutating func earlierResult(
        _ topicNumber: Int64,
        _ key: String,
        _ digest: [UInt8]
    ) throws(SQLiteFailure) -> AppendResult? {
        self.findKey.bind(topicNumber, at: 1)
        self.findKey.bind(key, at: 2)
        self.findKey.bind(self.expiredMilliseconds, at: 3)
        guard try self.findKey.step() else { return nil }
        defer { self.findKey.reset() }
        guard self.findKey.bytes(0) == digest else {
            self.content.refusalCount += 1
            return .idempotencyKeyReused
        }
        self.content.repeatCount += 1
        return .alreadyStored(id: self.findKey.int64(1))
    }

    /// Keys that were used then or before may be used anew.
    private var expiredMilliseconds: Int64 { self.timeMilliseconds - self.keptMilliseconds }

    private mutating func remember(
        _ key: String,
        _ digest: [UInt8],
        topicNumber: Int64,
        id: Int64
    ) throws(SQLiteFailure) {
        self.insertKey.bind(topicNumber, at: 1)
        self.insertKey.bind(key, at: 2)
        self.insertKey.bind(bytes: digest, at: 3)
        self.insertKey.bind(id, at: 4)
        self.insertKey.bind(self.timeMilliseconds, at: 5)
        try self.insertKey.run()
        self.content.keyCount += 1
    }
}

/// Topics that end.
extension Transaction {
    /// Ends a topic that exists, unless it has ended; `lastID` is that of its last message.
    mutating func end(
        _ number: Int64,
        _ name: TopicName,
        _ reason: TopicEnd.Reason,
        _ lastID: Int64
    ) throws(SQLiteFailure) -> TopicEnd {
        precondition(reason != .deleted, "a topic that is deleted is not there to end")
        let end = TopicEnd(
            topic: name,
            reason: reason,
            lastID: lastID,
            timeMilliseconds: self.timeMilliseconds
        )
        try self.records.end(number, end)
        self.content.add(end, topicNumber: number)
        return end
    }

    /// Lets a topic that has ended take messages again.
    func reopen(_ number: Int64) throws(SQLiteFailure) { try self.records.revive(number) }

    /// Ends the topic of a draft that has no message.
    private mutating func end(
        _ draft: Draft,
        _ reason: TopicEnd.Reason
    ) throws(SQLiteFailure) -> AppendResult {
        let topic = self.find(draft.topic)
        switch self.objection(to: draft, topic) {
        case nil: break
        case .topicEnded(let end): return .ended(end)
        case let objection?:
            self.content.refusalCount += 1
            return objection
        }
        let (lastID, _) = self.standing(of: topic)
        let number = try self.use(topic, named: draft.topic)
        return .ended(try self.end(number, draft.topic, reason, lastID))
    }

    private func end(of topic: TopicCatalog.Found) -> TopicEnd? {
        if topic.hasEnded { return self.catalog.end(of: topic.number) }
        return self.content.ends.isEmpty ? nil : self.content.ends[topic.number]
    }
}
