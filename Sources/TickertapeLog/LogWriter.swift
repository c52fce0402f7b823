import Foundation
import GRDB
import GRDBSQLite
import Logging
import Synchronization
import TickertapeCore

/// Appends drafts to the database, one transaction for everything that waits.
///
/// Writer thread only, but for what it shares: the queue, the catalog, the head.
final class LogWriter {
    let shared: LogShared
    private let database: Database
    let checkpointer: Checkpointer
    let limits: Limits
    let logger: Logger
    private let probe: PreparedStatement
    private let metrics = CommitMetrics()

    /// Pages in the write-ahead log after the last commit.
    private let walPages = UnsafeMutablePointer<Int32>.allocate(capacity: 1)
    private var machine: GroupCommitMachine
    var transaction: Transaction
    var retention: Retention
    let policyTable: PolicyTable
    let tokenTable: TokenTable
    var shrinker: FileShrinker
    /// When the open transaction got its first message.
    private var opened = ContinuousClock.now
    /// What waits for the open transaction to end.
    private var answered: [WriteQueue.Submission] = []
    /// The first failure inside the open transaction: it will be rolled back.
    private var failure: SQLiteFailure?
    private var nextRestartMilliseconds: Int64 = 0
    /// Whether it was said that nothing can be removed.
    var hasMaintenanceFailed = false
    /// When something is removed although operators' jobs leave no pause.
    var nextMaintenanceMilliseconds: Int64 = 0

    init(
        _ database: Database,
        shared: LogShared,
        topics: [TopicStart],
        checkpointer: Checkpointer,
        limits: Limits,
        logger: Logger
    ) throws {
        self.database = database
        self.checkpointer = checkpointer
        self.shared = shared
        self.limits = limits
        self.logger = logger
        // An UPDATE that changes no byte would not be written at all.
        self.probe = try PreparedStatement(
            database,
            "PRAGMA user_version = \(DatabaseFile.schemaVersion)"
        )
        self.machine = GroupCommitMachine(limits: limits)
        self.transaction = try Transaction(database, shared: shared, limits: limits)
        self.retention = try Retention(database, shared: shared, topics: topics, limits: limits)
        self.policyTable = try PolicyTable(database)
        self.tokenTable = try TokenTable(database)
        self.shrinker = try FileShrinker(database, limits: limits)
        self.walPages.initialize(to: 0)
        sqlite3_wal_hook(
            database.sqliteConnection,
            { walPages, _, _, pages in
                walPages?.assumingMemoryBound(to: Int32.self).pointee = pages
                return SQLITE_OK
            },
            self.walPages
        )
    }

    deinit {
        sqlite3_wal_hook(self.database.sqliteConnection, nil, nil)
        self.walPages.deallocate()
    }

    /// Works until the queue is closed and empty.
    func run() {
        while true {
            switch self.shared.queue.wait(until: self.nextDeadline()) {
            case .submissions(let submissions): self.append(submissions)
            case .jobs:
                self.runJob()
                self.maintainIfDue()
                self.checkpointIfDue()
            case .nothing:
                self.probeIfBroken()
                self.maintain()
                self.checkpointIfDue()
            case .closed:
                self.writeAllCounts()
                return
            }
        }
    }

    /// Folds the write-ahead log into the main file, as far as readers allow.
    func checkpoint() {
        _ = try? self.database.checkpoint(.truncate)
    }

    private func append(_ first: [WriteQueue.Submission]) {
        var waiting = first
        while !waiting.isEmpty {
            for submission in waiting { self.append(submission) }
            // What came meanwhile goes into the same transaction.
            waiting = self.shared.queue.poll(taken: self.machine.messageCount)
        }
        switch self.machine.queueEmpty() {
        case .commit: self.endTransaction()
        case .wait: break
        }
    }

    private func append(_ submission: WriteQueue.Submission) {
        let action = self.machine.offered(
            messages: submission.drafts.count,
            bytes: submission.bytes,
            atMilliseconds: monotonicMilliseconds()
        )
        switch action {
        case .commit:
            self.endTransaction()
            self.append(submission)
        case .begin:
            self.opened = ContinuousClock.now
            self.attempt { writer throws(SQLiteFailure) in
                try writer.transaction.open(atMilliseconds: wallClockMilliseconds())
            }
            self.insert(submission)
        case .insert:
            self.insert(submission)
        }
    }

    private func insert(_ submission: WriteQueue.Submission) {
        self.answered.append(submission)
        guard !submission.isAtomic else {
            guard self.failure == nil else { return }
            return self.attempt { writer throws(SQLiteFailure) in
                try writer.transaction.insert(atomically: submission.drafts)
            }
        }
        for draft in submission.drafts where self.failure == nil {
            self.attempt { writer throws(SQLiteFailure) in
                try writer.transaction.insert(draft)
            }
        }
    }

    /// After the first failure nothing more is tried in this transaction.
    private func attempt(_ step: (LogWriter) throws(SQLiteFailure) -> Void) {
        do {
            try step(self)
        } catch {
            self.failure = error
        }
    }

    private func endTransaction() {
        var content: Transaction.Content?
        if self.failure == nil {
            self.attempt { writer throws(SQLiteFailure) in try writer.retainUnderLoad() }
        }
        if self.failure == nil {
            self.attempt { writer throws(SQLiteFailure) in
                content = try writer.transaction.end(atMilliseconds: monotonicMilliseconds())
            }
        }
        self.machine.ended()
        let answered = self.answered
        self.answered = []
        if let content {
            self.finish(content, answered)
        } else {
            self.fail(answered)
        }
        for submission in answered {
            self.shared.queue.release(
                messages: submission.drafts.count,
                bytes: submission.bytes
            )
        }
        // Here, not only when the queue is empty: under load it never is.
        self.checkpointIfDue()
        self.runJob()
    }

    private func finish(_ content: Transaction.Content, _ answered: [WriteQueue.Submission]) {
        let deletions = self.note(content)
        self.count(content, answered)
        if !self.shared.isWritable.exchange(true, ordering: .relaxed) {
            self.logger.notice("the log can be written again")
        }
        if let last = content.messages.last {
            assert(last.id > self.shared.head.load(ordering: .relaxed), "ids strictly increase")
            self.shared.head.store(last.id, ordering: .releasing)
        }
        self.tell(content, deletions)
        var next = content.results.startIndex
        for submission in answered {
            let end = next + submission.drafts.count
            submission.completion(Array(content.results[next..<end]))
            next = end
        }
        assert(next == content.results.endIndex, "every draft has its result")
    }

    /// Announces what was committed: ends after the messages before them.
    private func tell(_ content: Transaction.Content, _ deletions: [Retention.Deletion]) {
        // Known before it is announced, and no earlier than the last message can be read.
        let ends = content.endedTopics.compactMap { number in
            content.ends[number].map { (number, $0) }
        }
        for (number, end) in ends { self.shared.catalog.setEnd(end, number) }
        if !content.messages.isEmpty {
            self.shared.announce(.committed(CommittedBatch(content.messages)))
        }
        for (_, end) in ends { self.shared.announce(.ended(end)) }
        for deletion in deletions {
            self.shared.announce(.deleted(deletion.end.topic, through: deletion.purge.through))
        }
    }

    /// Takes over what was committed.
    ///
    /// - Returns: The topics that retention has deleted.
    private func note(_ content: Transaction.Content) -> [Retention.Deletion] {
        for (name, number) in content.topicsToAdd {
            self.shared.catalog.add(name, number: number, lastID: 0)
        }
        for number in content.revivedTopics { self.shared.catalog.revive(number) }
        self.shared.catalog.advance(content.appended)
        let now = wallClockMilliseconds()
        let removed = self.retention.committed(content, atMilliseconds: now)
        let dueCount = self.retention.dueCount
        let freePages = self.shrinker.freePages
        self.shared.counters.withLock { counters in
            counters.repeats += content.repeatCount
            counters.refusals += content.refusalCount
            counters.messagesRemoved += removed.messages
            counters.bytesRemoved += removed.bytes
            counters.topicsDue = dueCount
            counters.freePages = freePages
        }
        return removed.topics
    }

    private func count(_ content: Transaction.Content, _ answered: [WriteQueue.Submission]) {
        guard !content.messages.isEmpty else { return }
        let now = ContinuousClock.now
        let taken = now - self.opened
        self.shared.counters.withLock { $0.committed(in: taken) }
        self.metrics.committed(content.messages.count, in: taken)
        for submission in answered {
            self.metrics.published(submission.drafts.count, in: now - submission.handedOver)
        }
    }

    private func fail(_ answered: [WriteQueue.Submission]) {
        self.abandon()
        let refused = answered.reduce(0) { $0 + $1.drafts.count }
        self.shared.counters.withLock { $0.refusals += Int64(refused) }
        guard let failure = self.failure else {
            preconditionFailure("a transaction without content has failed")
        }
        self.failure = nil
        self.markBroken(failure)
        for submission in answered { submission.fail(failure.logError) }
    }

    private func abandon() {
        self.transaction.abandon()
        self.retention.abandoned(atMilliseconds: wallClockMilliseconds())
    }

    private func markBroken(_ failure: SQLiteFailure) {
        guard self.shared.isWritable.exchange(false, ordering: .relaxed) else { return }
        self.logger.error(
            "the log cannot be written; publishes are refused until it can",
            metadata: [
                "tickertape.reason": "\(failure.message)",
                "tickertape.sqlite_code": "\(failure.code)",
            ]
        )
    }

    /// When nobody publishes, somebody has to find out that the disk is well again.
    private func probeIfBroken() {
        guard !self.shared.isWritable.load(ordering: .relaxed) else { return }
        do {
            try self.probe.run()
            self.shared.isWritable.store(true, ordering: .relaxed)
            self.logger.notice("the log can be written again")
        } catch {
            // Still broken: it was logged when it broke.
            return
        }
    }

    /// Does something in a transaction of its own, between those of publishers.
    func change(_ step: (LogWriter) throws(SQLiteFailure) -> Void) throws(LogError) {
        do throws(SQLiteFailure) {
            try self.transaction.open(atMilliseconds: wallClockMilliseconds())
            try step(self)
            self.finish(try self.transaction.end(atMilliseconds: monotonicMilliseconds()), [])
        } catch {
            self.abandon()
            throw error.logError
        }
    }

    /// One at most: each is a transaction of its own, and publishers wait while operators may ask
    /// for more without end.
    private func runJob() {
        guard let job = self.shared.queue.takeJob() else { return }
        job(self)
    }

    private func checkpointIfDue() {
        let pages = Int(self.walPages.pointee)
        let isFarOver = pages >= self.limits.walPagesMax * 4
        if isFarOver {
            self.restartWriteAheadLog()
        } else if self.checkpointer.takeDone() {
            // What is left; readers hold what they read for milliseconds only.
            sqlite3_wal_checkpoint_v2(
                self.database.sqliteConnection,
                nil,
                SQLITE_CHECKPOINT_PASSIVE,
                nil,
                nil
            )
        } else if pages >= self.limits.walPagesMax {
            self.checkpointer.request()
        }
    }

    /// Waits a moment for the readers, so that the write-ahead log starts anew: with somebody
    /// always reading, a passive checkpoint never gets that far.
    private func restartWriteAheadLog() {
        let now = monotonicMilliseconds()
        guard now >= self.nextRestartMilliseconds else { return }
        let connection = self.database.sqliteConnection
        sqlite3_busy_timeout(connection, Self.restartWaitMilliseconds)
        let code = sqlite3_wal_checkpoint_v2(
            connection,
            nil,
            SQLITE_CHECKPOINT_RESTART,
            nil,
            nil
        )
        sqlite3_busy_timeout(connection, DatabaseFile.busyMilliseconds)
        // Somebody reads for long, an operator perhaps: publishers do not wait each time.
        if code != SQLITE_OK { self.nextRestartMilliseconds = now + 1_000 }
    }

    private static let restartWaitMilliseconds: Int32 = 100
}

/// Milliseconds since 1970-01-01T00:00:00Z.
package func wallClockMilliseconds() -> Int64 {
    Int64(Date().timeIntervalSince1970 * 1_000)
}

/// Milliseconds of a clock that never goes back.
func monotonicMilliseconds() -> Int64 {
    let sinceStart = ContinuousClock.now - processStart
    return sinceStart.components.seconds * 1_000
        + sinceStart.components.attoseconds / 1_000_000_000_000_000
}

/// Nanoseconds of the clock of the system that never goes back.
package func uptimeNanoseconds() -> UInt64 {
    DispatchTime.now().uptimeNanoseconds
}

private let processStart = ContinuousClock.now
