import GRDB
import TickertapeCore

/// A topic as it stands in the database when the log is opened.
struct TopicStart {
    let number: Int64
    let name: TopicName
    /// The last id it ever had, as far as is known.
    let lastID: Int64
    /// Whether it was deleted, or how it has ended otherwise.
    let end: TopicEnd?
    let purgedThrough: Int64
    /// What the database says of its count.
    let countedThrough: Int64
    /// All that are not gone.
    let messages: Int64
    let bytes: Int64
    /// Of those, what is not in the count of the database.
    let uncounted: Int64
    /// Rows of messages that are gone.
    let hasLeftovers: Bool

    /// Every topic, in the order of their numbers; counts what nobody has counted before.
    static func load(_ database: Database) throws -> [TopicStart] {
        let count = try PreparedStatement(
            database,
            """
            SELECT count(*), coalesce(sum(size), 0)
            FROM (\(TopicMessages.select("length(data) AS size")))
            """
        )
        let first = try PreparedStatement(
            database,
            TopicMessages.select("id", isLimited: true)
        )
        let newest = try PreparedStatement(
            database,
            TopicMessages.select("id", newestFirst: true, isLimited: true)
        )
        let head = try Int64.fetchOne(database, sql: "SELECT max(id) FROM messages") ?? 0
        let rows = try Row.fetchCursor(
            database,
            sql: """
                SELECT id, name, is_deleted, purged_through, removed_through, counted_through,
                message_count, byte_count, end_reason, end_time, end_last_id
                FROM topics ORDER BY id
                """
        )
        var topics: [TopicStart] = []
        while let row = try rows.next() {
            let (number, purged): (Int64, Int64) = (row[0], row[3])
            TopicMessages.bind(newest, topic: number, after: 0, through: head, limit: 1)
            let last = try newest.step() ? newest.int64(0) : 0
            newest.reset()
            let (counted, knownMessages, knownBytes): (Int64, Int64, Int64) = (
                row[5], row[6], row[7]
            )
            var (messages, bytes): (Int64, Int64) = (0, 0)
            if last > max(purged, counted) {
                (messages, bytes) = try self.count(count, number, after: max(purged, counted))
            }
            var hasLeftovers = false
            if purged > 0 {
                TopicMessages.bind(first, topic: number, after: 0, through: purged, limit: 1)
                hasLeftovers = try first.step()
                first.reset()
            }
            let name = TopicName(stored: row[1])
            topics.append(
                TopicStart(
                    number: number,
                    name: name,
                    lastID: max(last, row[4]),
                    end: self.end(of: name, row),
                    purgedThrough: purged,
                    countedThrough: counted,
                    messages: knownMessages + messages,
                    bytes: knownBytes + bytes,
                    uncounted: messages,
                    hasLeftovers: hasLeftovers
                )
            )
        }
        return topics
    }

    private static func end(of name: TopicName, _ row: Row) -> TopicEnd? {
        let (isDeleted, reason): (Bool, String?) = (row[2], row[8])
        guard isDeleted || reason != nil else { return nil }
        let isStopped = reason == TopicEnd.Reason.stopped.rawValue
        let (time, lastID): (Int64?, Int64?) = (row[9], row[10])
        return TopicEnd(
            topic: name,
            reason: isDeleted ? .deleted : isStopped ? .stopped : .ended,
            lastID: lastID ?? 0,
            timeMilliseconds: time ?? 0
        )
    }

    private static func count(
        _ statement: PreparedStatement,
        _ number: Int64,
        after: Int64
    ) throws(SQLiteFailure) -> (Int64, Int64) {
        TopicMessages.bind(statement, topic: number, after: after)
        guard try statement.step() else { return (0, 0) }
        defer { statement.reset() }
        return (statement.int64(0), statement.int64(1))
    }
}

extension TopicStart {
    /// A topic that nobody has published to yet.
    init(_ number: Int64, _ name: TopicName) {
        self.init(
            number: number,
            name: name,
            lastID: 0,
            end: nil,
            purgedThrough: 0,
            countedThrough: 0,
            messages: 0,
            bytes: 0,
            uncounted: 0,
            hasLeftovers: false
        )
    }
}
