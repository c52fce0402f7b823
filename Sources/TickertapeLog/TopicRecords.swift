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
    private let setDeleted: PreparedStatement

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
        self.setDeleted = try PreparedStatement(
            database,
            "UPDATE topics SET is_deleted = ? WHERE id = ?"
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

    func setDeleted(_ number: Int64, _ isDeleted: Bool) throws(SQLiteFailure) {
        self.setDeleted.bind(isDeleted ? 1 : 0, at: 1)
        self.setDeleted.bind(number, at: 2)
        try self.setDeleted.run()
    }
}
