import GRDB
import GRDBSQLite
import Synchronization
import TickertapeCore

/// What operators ask of the log; statements are made when they are needed.
extension PageReader {
    func details(of numbers: [Int64]) throws(SQLiteFailure) -> [TopicDetails] {
        let purged = self.shared.catalog.purged
        let first = try self.statement(TopicMessages.select("id, time", isLimited: true))
        let last = try self.statement(
            TopicMessages.select("time", newestFirst: true, isLimited: true)
        )
        let removed = try self.statement("SELECT removed_through FROM topics WHERE id = ?")
        try self.begin.run()
        defer { try? self.commit.run() }
        var all: [TopicDetails] = []
        for number in numbers {
            let after = purged[number] ?? 0
            let oldest = try self.row(first, number, after, .max, 1) {
                ($0.int64(0), $0.int64(1))
            }
            let newest = try self.row(last, number, after, .max, 1) { $0.int64(0) }
            let removedThrough = try self.row(removed, number) { $0.int64(0) }
            all.append(
                TopicDetails(
                    firstID: oldest?.0,
                    firstTimeMilliseconds: oldest?.1,
                    lastTimeMilliseconds: newest,
                    removedThrough: removedThrough ?? 0
                )
            )
        }
        return all
    }

    /// Time never decreases with id: the place is found by halves.
    func firstID(atOrAfter time: Int64) throws(SQLiteFailure) -> Int64 {
        let head = self.shared.head.load(ordering: .acquiring)
        let next = try self.statement(
            "SELECT id, time FROM messages WHERE id >= ? ORDER BY id LIMIT 1"
        )
        try self.begin.run()
        defer { try? self.commit.run() }
        // Every message before `low` is older; the answer is `high` or before.
        var (low, high): (Int64, Int64) = (1, head + 1)
        while low < high {
            let middle = low + (high - low) / 2
            let found = try self.row(next, middle) { ($0.int64(0), $0.int64(1)) }
            guard let (id, itsTime) = found, id < high else {
                high = middle
                continue
            }
            if itsTime >= time { high = middle } else { low = id + 1 }
        }
        // Ids between messages were never given to one, or are gone.
        let found = try self.row(next, low) { $0.int64(0) }
        return min(found ?? head + 1, head + 1)
    }

    func time(after cursor: Int64) throws(SQLiteFailure) -> Int64? {
        let next = try self.statement("SELECT time FROM messages WHERE id > ? ORDER BY id LIMIT 1")
        return try self.row(next, cursor) { $0.int64(0) }
    }

    /// What a topic holds between two ids, as far as some rows tell.
    struct Count {
        var messages: Int64 = 0
        var bytes: Int64 = 0
        /// The last id that was counted.
        var through: Int64
        var isDone = false
    }

    /// Counts the messages of a topic after `count.through` and up to `last`, some more.
    func count(_ number: Int64, upTo last: Int64, _ count: inout Count) throws(SQLiteFailure) {
        let next = try self.statement(
            """
            SELECT count(*), coalesce(sum(size), 0), max(id) FROM
            (\(TopicMessages.select("id, length(data) AS size", isLimited: true)))
            """
        )
        let most = Int64(self.limits.pageRowsExaminedMax)
        TopicMessages.bind(next, topic: number, after: count.through, through: last, limit: most)
        guard try next.step() else { return }
        defer { next.reset() }
        count.messages += next.int64(0)
        count.bytes += next.int64(1)
        count.isDone = next.int64(0) < most
        if next.int64(0) > 0 { count.through = next.int64(2) }
    }

    /// The row of a statement with numbers as parameters, if there is one.
    func row<Value>(
        _ statement: PreparedStatement,
        _ parameters: Int64...,
        read: (PreparedStatement) -> Value
    ) throws(SQLiteFailure) -> Value? {
        for (index, parameter) in parameters.enumerated() {
            statement.bind(parameter, at: Int32(index) + 1)
        }
        guard try statement.step() else { return nil }
        defer { statement.reset() }
        return read(statement)
    }

    /// Kept by GRDB until the connection is closed.
    func statement(_ sql: String) throws(SQLiteFailure) -> PreparedStatement {
        try self.prepare { try PreparedStatement(self.database, sql) }
    }

    func prepare(
        _ make: () throws -> PreparedStatement
    ) throws(SQLiteFailure) -> PreparedStatement {
        do {
            return try make()
        } catch {
            throw SQLiteFailure(self.database.sqliteConnection, SQLITE_ERROR)
        }
    }
}
