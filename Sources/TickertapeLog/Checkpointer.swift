import Foundation
import GRDB
import GRDBSQLite
import Synchronization

/// Moves the write-ahead log into the main file while the writer goes on.
///
/// One thread with a connection of its own does the bulk, which takes milliseconds. What the
/// writer appends meanwhile it moves itself afterwards: only when everything was moved does
/// SQLite start the write-ahead log anew, and what is overwritten in place also syncs faster.
///
/// Any thread may request and ask.
final class Checkpointer: Sendable {
    private enum Phase: Int, AtomicRepresentable {
        case idle, requested, done, closed
    }

    private let queue: DatabaseQueue
    private let phase = Atomic<Phase>(.idle)
    private let wake = DispatchSemaphore(value: 0)
    private let ended = DispatchSemaphore(value: 0)

    init(_ queue: DatabaseQueue) {
        self.queue = queue
    }

    /// Starts the thread; once.
    func start() {
        let thread = Thread {
            self.queue.inDatabase { database in
                while self.waitForRequest() {
                    sqlite3_wal_checkpoint_v2(
                        database.sqliteConnection,
                        nil,
                        SQLITE_CHECKPOINT_PASSIVE,
                        nil,
                        nil
                    )
                    _ = self.phase.compareExchange(
                        expected: .requested,
                        desired: .done,
                        ordering: .acquiringAndReleasing
                    )
                }
            }
            try? self.queue.close()
            self.ended.signal()
        }
        thread.name = "tt-checkpoint"
        thread.start()
    }

    /// Asks for the bulk to be moved, unless that is under way.
    func request() {
        let (isNew, _) = self.phase.compareExchange(
            expected: .idle,
            desired: .requested,
            ordering: .acquiringAndReleasing
        )
        if isNew { self.wake.signal() }
    }

    /// Whether the bulk was moved since the last request; asked once.
    func takeDone() -> Bool {
        self.phase.compareExchange(
            expected: .done,
            desired: .idle,
            ordering: .acquiringAndReleasing
        ).exchanged
    }

    /// Ends the thread, which was started, and waits for it.
    func close() {
        self.phase.store(.closed, ordering: .sequentiallyConsistent)
        self.wake.signal()
        self.ended.wait()
    }

    private func waitForRequest() -> Bool {
        self.wake.wait()
        return self.phase.load(ordering: .sequentiallyConsistent) != .closed
    }
}
