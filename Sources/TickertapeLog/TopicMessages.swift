import GRDB
import TickertapeCore

/// Where the messages of one topic are: in parts of 8,192 ids, found by way of the blocks of 16 parts
/// in which the topic has any (`migrations/0005_topic_blocks.sql`).
///
/// Neighbours in time are neighbours in the index, whatever their topics: a commit for a thousand
/// topics writes some pages of it, not one for each.
enum TopicMessages {
    /// The block of an id, as the migration spells it.
    static func block(of id: Int64) -> Int64 { id >> 17 }

    /// The SQL that selects from the messages of a topic, in the order of their ids.
    ///
    /// Its parameters are the number of the topic, the id behind which they begin, and the last.
    static func select(
        _ columns: String,
        newestFirst: Bool = false,
        isLimited: Bool = false
    ) -> String {
        let direction = newestFirst ? "DESC" : "ASC"
        // The order of the loops is that of the ids: CROSS JOIN keeps it, and nothing is sorted.
        // The index is named, whatever an ANALYZE by hand has found.
        return """
            SELECT \(columns) FROM topic_blocks CROSS JOIN block_parts
            CROSS JOIN messages INDEXED BY messages_by_part
            ON messages.id >> 13 = block * 16 + part AND messages.topic_id = topic
            WHERE topic = ?1 AND block BETWEEN ?2 >> 17 AND ?3 >> 17
            AND block * 16 + part BETWEEN ?2 >> 13 AND ?3 >> 13
            AND messages.id > ?2 AND messages.id <= ?3
            ORDER BY block \(direction), part \(direction), messages.id \(direction)
            \(isLimited ? "LIMIT ?4" : "")
            """
    }

    /// Binds the parameters of `select`.
    static func bind(
        _ statement: PreparedStatement,
        topic number: Int64,
        after: Int64,
        through: Int64 = .max,
        limit: Int64? = nil
    ) {
        statement.bind(number, at: 1)
        statement.bind(after, at: 2)
        statement.bind(through, at: 3)
        if let limit { statement.bind(limit, at: 4) }
    }
}

/// Notes in which blocks topics have messages.
///
/// Writer thread only.
struct TopicBlocks {
    private let insert: PreparedStatement
    private let deleteEmpty: PreparedStatement

    init(_ database: Database) throws {
        self.insert = try PreparedStatement(
            database,
            "INSERT OR IGNORE INTO topic_blocks (topic, block) VALUES (?, ?)"
        )
        self.deleteEmpty = try PreparedStatement(
            database,
            """
            DELETE FROM topic_blocks
            WHERE topic = ?1 AND block >= ?2 AND block < ?3 AND NOT EXISTS (
                SELECT 1 FROM block_parts CROSS JOIN messages INDEXED BY messages_by_part
                ON messages.id >> 13 = block * 16 + part AND messages.topic_id = topic
            )
            """
        )
    }

    /// Notes that a topic has a message.
    ///
    /// `last` is one that it had before, and that was noted.
    func note(_ number: Int64, has id: Int64, after last: Int64?) throws(SQLiteFailure) {
        let block = TopicMessages.block(of: id)
        guard last.map(TopicMessages.block) != block else { return }
        self.insert.bind(number, at: 1)
        self.insert.bind(block, at: 2)
        try self.insert.run()
    }

    /// Forgets the blocks from that of `after` up to that of `through` in which the topic has
    /// nothing any more; that of `through`, where it may have its next message, stays.
    func forgetEmpty(
        of number: Int64,
        after: Int64,
        through: Int64
    ) throws(SQLiteFailure) {
        let (first, last) = (TopicMessages.block(of: after), TopicMessages.block(of: through))
        guard first < last else { return }
        self.deleteEmpty.bind(number, at: 1)
        self.deleteEmpty.bind(first, at: 2)
        self.deleteEmpty.bind(last, at: 3)
        try self.deleteEmpty.run()
    }
}
