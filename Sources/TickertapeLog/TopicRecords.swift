import GRDB
import TickertapeCore

/// What the rows of topics say besides their names: what is gone, and what is counted.
///
/// Writer thread only.
struct TopicRecords {
    /// The messages of a topic up to an id.
    struct Count: Equatable {
        var messages: Int64
        var bytes: Int64
        var through: Int64
    }

    private let note: PreparedStatement
    private let insert: PreparedStatement
    private let setEnd: PreparedStatement

    init(_ database: Database) throws {
        // A count that others have made wrong in the meantime (`messages_removed`) stays so, and
        // is made anew at the next start.
        self.note = try PreparedStatement(
            database,
            """
            UPDATE topics SET
                removed_through = max(removed_through, ?2),
                purged_through = max(purged_through, ?2),
                message_count = iif(counted_through = ?3, ?4, 0),
                byte_count = iif(counted_through = ?3, ?5, 0),
                counted_through = iif(counted_through = ?3, ?6, counted_through)
            WHERE id = ?1
            """
        )
        self.insert = try PreparedStatement(database, "INSERT INTO topics (id, name) VALUES (?, ?)")
        self.setEnd = try PreparedStatement(
            database,
            """
            UPDATE topics SET is_deleted = ?, end_reason = ?, end_time = ?, end_last_id = ?
            WHERE id = ?
            """
        )
    }

    /// Notes up to where a topic's messages are gone, and how many it has then.
    ///
    /// `counted` is what was noted last.
    func note(
        _ number: Int64,
        purgedThrough: Int64,
        counted: Int64,
        _ count: Count
    ) throws(SQLiteFailure) {
        self.note.bind(number, at: 1)
        self.note.bind(purgedThrough, at: 2)
        self.note.bind(counted, at: 3)
        self.note.bind(count.messages, at: 4)
        self.note.bind(count.bytes, at: 5)
        self.note.bind(count.through, at: 6)
        try self.note.run()
    }

    func insert(_ number: Int64, _ name: TopicName) throws(SQLiteFailure) {
        self.insert.bind(number, at: 1)
        self.insert.bind(name.text, at: 2)
        try self.insert.run()
    }

    /// Notes that a topic has ended, or that it was deleted.
    func end(_ number: Int64, _ end: TopicEnd) throws(SQLiteFailure) {
        self.setEnd.bind(end.reason == .deleted ? 1 : 0, at: 1)
        self.setEnd.bind(end.reason.rawValue, at: 2)
        self.setEnd.bind(end.timeMilliseconds, at: 3)
        self.setEnd.bind(end.lastID, at: 4)
        self.setEnd.bind(number, at: 5)
        try self.setEnd.run()
    }

    /// A topic that had ended or was deleted takes messages again.
    func revive(_ number: Int64) throws(SQLiteFailure) {
        self.setEnd.bind(0, at: 1)
        self.setEnd.bind(nil as String?, at: 2)
        self.setEnd.bind(nil as Int64?, at: 3)
        self.setEnd.bind(nil as Int64?, at: 4)
        self.setEnd.bind(number, at: 5)
        try self.setEnd.run()
    }
}
