import GRDB
import GRDBSQLite
import TickertapeCore

/// Removes idempotency keys that have expired, a few at a time.
///
/// Writer thread only. Where there is more to remove, a transaction removes twice what it
/// inserts: the table does not grow however fast keys come, and no transaction takes much longer.
struct KeyPruner {
    private let connection: OpaquePointer?
    private let statement: PreparedStatement
    private let limits: Limits
    /// The last time not everything was removed.
    private var hasMore = false
    private var nextMilliseconds: Int64 = 0

    private static let pauseMilliseconds: Int64 = 60_000
    private static let intervalMilliseconds: Int64 = 100

    init(_ database: Database, limits: Limits) throws {
        self.connection = database.sqliteConnection
        self.limits = limits
        self.statement = try PreparedStatement(
            database,
            """
            DELETE FROM idempotency WHERE (topic_id, key) IN
            (SELECT topic_id, key FROM idempotency WHERE time <= ? ORDER BY time LIMIT ?)
            """
        )
    }

    /// Removes keys that were used at `expired` or before, if some are due, in the open transaction,
    /// which has inserted so many.
    mutating func prune(
        expired: Int64,
        insertedCount: Int,
        atMilliseconds now: Int64
    ) throws(SQLiteFailure) {
        let isTime = now >= self.nextMilliseconds
        let most = max(
            self.hasMore ? insertedCount * 2 : 0,
            isTime ? self.limits.idempotencyPruneCount : 0
        )
        guard most > 0 else { return }
        self.statement.bind(expired, at: 1)
        self.statement.bind(Int64(most), at: 2)
        try self.statement.run()
        self.hasMore = sqlite3_changes(self.connection) >= most
        guard isTime || !self.hasMore else { return }
        self.nextMilliseconds =
            now + (self.hasMore ? Self.intervalMilliseconds : Self.pauseMilliseconds)
    }
}
