import GRDB
import GRDBSQLite
import TickertapeCore

/// Gives pages that retention has freed back to the file system, a few at a time.
///
/// Writer thread only; works inside the open transaction. Some pages are kept: where as much
/// comes as goes, the file stays as it is.
struct FileShrinker {
    private let freeCount: PreparedStatement
    private let vacuum: PreparedStatement
    private let limits: Limits
    /// Pages of the file that hold nothing, as of the last look.
    private(set) var freePages: Int64 = 0
    private(set) var isBusy = false
    private var nextMilliseconds: Int64 = 0

    /// Under load, steps are this far apart.
    private static let intervalMilliseconds: Int64 = 50

    init(_ database: Database, limits: Limits) throws {
        self.limits = limits
        self.freeCount = try PreparedStatement(database, "PRAGMA freelist_count")
        self.vacuum = try PreparedStatement(
            database,
            "PRAGMA incremental_vacuum(\(limits.freedPagesMax))"
        )
    }

    /// Whether a transaction that publishers wait for is to take some pages along, now and then.
    mutating func isDueUnderLoad(atMilliseconds now: Int64) throws(SQLiteFailure) -> Bool {
        guard now >= self.nextMilliseconds else { return false }
        self.nextMilliseconds = now + Self.intervalMilliseconds
        try self.look()
        return self.isBusy
    }

    /// In such a transaction: a quarter of a step.
    mutating func shrinkUnderLoad() throws(SQLiteFailure) {
        try self.shrink(self.limits.freedPagesMax / 4)
    }

    mutating func shrinkWhenIdle() throws(SQLiteFailure) {
        try self.shrink(self.limits.freedPagesMax)
    }

    /// Finds out whether there is something to give back.
    mutating func look() throws(SQLiteFailure) {
        guard try self.freeCount.step() else { return }
        self.freePages = self.freeCount.int64(0)
        self.freeCount.reset()
        let kept = Int64(self.limits.freePagesKept)
        self.isBusy = self.freePages > (self.isBusy ? kept : kept * 2)
    }

    private mutating func shrink(_ most: Int) throws(SQLiteFailure) {
        try self.look()
        guard self.isBusy else { return }
        // Each step moves one page.
        var left = min(Int64(most), self.freePages - Int64(self.limits.freePagesKept))
        while left > 0, try self.vacuum.step() {
            left -= 1
            self.freePages -= 1
        }
        self.vacuum.reset()
        self.isBusy = self.freePages > Int64(self.limits.freePagesKept)
    }
}
