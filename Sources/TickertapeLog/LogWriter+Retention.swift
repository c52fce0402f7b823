import Foundation
import Logging
import Synchronization
import TickertapeCore

/// When the writer removes what policies do not keep: a little in each transaction of publishers,
/// and more while there is none.
extension LogWriter {
    /// How long to wait for work: less while something is to be removed.
    func nextDeadline() -> Date {
        let isBusy =
            self.shared.isWritable.load(ordering: .relaxed)
            && (self.retention.isBusy(atMilliseconds: wallClockMilliseconds())
                || self.shrinker.isBusy)
        return Date(
            timeIntervalSinceNow: isBusy
                ? Double(self.limits.retentionPauseMilliseconds) / 1_000 : 1
        )
    }

    /// Removes and shrinks in a transaction that publishers wait for.
    ///
    /// What fails of it is undone and tried again later; the messages stay in the transaction.
    ///
    /// - Throws: When SQLite has rolled the transaction back.
    func retainUnderLoad() throws(SQLiteFailure) {
        let now = wallClockMilliseconds()
        let isRetaining = self.retention.isBusy(atMilliseconds: now)
        let isShrinking = try self.shrinker.isDueUnderLoad(atMilliseconds: monotonicMilliseconds())
        guard isRetaining || isShrinking else { return }
        do throws(SQLiteFailure) {
            try self.transaction.beginPart()
            if isRetaining { try self.retainPart(now) }
            if isShrinking { try self.shrinker.shrinkUnderLoad() }
            try self.transaction.endPart()
            if isRetaining { self.hasMaintenanceFailed = false }
        } catch {
            self.retention.abandoned(atMilliseconds: now)
            guard self.transaction.abandonPart() else { throw error }
            self.noteMaintenanceFailure(error.logError)
        }
    }

    private func retainPart(_ now: Int64) throws(SQLiteFailure) {
        let content = self.transaction.content
        let bytes = content.appended.values.reduce(0) { $0 + $1.bytes }
        try self.retention.work(
            within: MessageRemover.Budget(
                messages: max(content.messages.count * 2, self.limits.retentionMessagesMin),
                bytes: max(bytes * 2, self.limits.retentionBytesMin),
                deadline: .now + .milliseconds(self.limits.batchMilliseconds)
            ),
            appended: content.appended,
            atMilliseconds: now
        )
    }

    /// Removes and shrinks while nobody publishes.
    func maintain() {
        defer {
            self.nextMaintenanceMilliseconds =
                monotonicMilliseconds() + Int64(self.limits.retentionPauseMilliseconds)
        }
        guard self.shared.isWritable.load(ordering: .relaxed) else { return }
        let now = wallClockMilliseconds()
        let isRetaining = self.retention.isBusy(atMilliseconds: now)
        do throws(LogError) {
            if isRetaining {
                try self.change { writer throws(SQLiteFailure) in try writer.retain(now) }
            } else {
                try self.shrinkIfBusy()
            }
            if isRetaining { self.hasMaintenanceFailed = false }
        } catch {
            // Publishers may fare better: an operator's tool may have the file to itself. What was
            // due is tried again.
            self.noteMaintenanceFailure(error)
        }
    }

    private func noteMaintenanceFailure(_ error: LogError) {
        guard !self.hasMaintenanceFailed else { return }
        self.hasMaintenanceFailed = true
        self.logger.warning(
            "nothing can be removed from the log at present",
            metadata: ["tickertape.reason": "\(error)"]
        )
    }

    /// The same between the jobs of operators, no more often than with pauses.
    func maintainIfDue() {
        guard monotonicMilliseconds() >= self.nextMaintenanceMilliseconds else { return }
        self.maintain()
    }

    private func retain(_ now: Int64) throws(SQLiteFailure) {
        try self.retention.work(
            within: MessageRemover.Budget(
                messages: self.limits.retentionMessagesMax,
                bytes: self.limits.retentionBytesMax,
                deadline: .now + .milliseconds(self.limits.retentionMilliseconds)
            ),
            appended: [:],
            atMilliseconds: now
        )
    }

    private func shrinkIfBusy() throws(LogError) {
        do throws(SQLiteFailure) {
            try self.shrinker.look()
        } catch {
            throw error.logError
        }
        guard self.shrinker.isBusy else { return }
        try self.change { writer throws(SQLiteFailure) in try writer.shrinker.shrinkWhenIdle() }
        // The file itself gets smaller when the write-ahead log is moved into it.
        if !self.shrinker.isBusy { self.checkpointer.request() }
    }

    /// So that the next start has nothing to count.
    func writeAllCounts() {
        var isMore = self.shared.isWritable.load(ordering: .relaxed)
        while isMore {
            do throws(LogError) {
                try self.change { writer throws(SQLiteFailure) in
                    isMore = try writer.retention.countAll(most: 1_000)
                }
            } catch {
                // The next start counts.
                return
            }
        }
    }
}
