import GRDB
import TickertapeCore

/// The policies as they stand in the database.
///
/// Writer thread only.
struct PolicyTable {
    private let insert: PreparedStatement
    private let delete: PreparedStatement

    init(_ database: Database) throws {
        self.insert = try PreparedStatement(
            database,
            """
            INSERT OR REPLACE INTO policies
            (pattern, max_age_seconds, max_messages, max_bytes, max_message_bytes, creates_topics,
            description, max_publishes_per_second, max_publish_bytes_per_second,
            remove_ended_after_seconds)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            """
        )
        self.delete = try PreparedStatement(database, "DELETE FROM policies WHERE pattern = ?")
    }

    func set(_ policy: Policy) throws(SQLiteFailure) {
        self.insert.bind(policy.pattern.text, at: 1)
        self.insert.bind(policy.maxAgeSeconds, at: 2)
        self.insert.bind(policy.maxMessages, at: 3)
        self.insert.bind(policy.maxBytes, at: 4)
        self.insert.bind(policy.maxMessageBytes.map { Int64($0) }, at: 5)
        self.insert.bind(policy.createsTopics ? 1 : 0, at: 6)
        self.insert.bind(policy.description, at: 7)
        self.insert.bind(policy.maxPublishesPerSecond, at: 8)
        self.insert.bind(policy.maxPublishBytesPerSecond, at: 9)
        self.insert.bind(policy.removesEndedAfterSeconds, at: 10)
        try self.insert.run()
    }

    func remove(_ pattern: TopicPattern) throws(SQLiteFailure) {
        self.delete.bind(pattern.text, at: 1)
        try self.delete.run()
    }

    /// - Throws: Also when a pattern was put there that is none.
    static func load(_ database: Database) throws -> PolicySet {
        // Not GRDB's rows: their texts end at U+0000.
        let rows = try PreparedStatement(
            database,
            """
            SELECT pattern, max_age_seconds, max_messages, max_bytes, max_message_bytes,
            creates_topics, description, max_publishes_per_second, max_publish_bytes_per_second,
            remove_ended_after_seconds
            FROM policies
            """
        )
        var policies: [Policy] = []
        while try rows.step() {
            let text = rows.text(0)
            guard let pattern = try? TopicPattern(text) else {
                rows.reset()
                throw DataDirectoryError("the log has a policy for \(text), which is no pattern")
            }
            policies.append(
                Policy(
                    pattern: pattern,
                    maxAgeSeconds: self.bound(rows, 1),
                    maxMessages: self.bound(rows, 2),
                    maxBytes: self.bound(rows, 3),
                    removesEndedAfterSeconds: self.bound(rows, 9),
                    maxMessageBytes: self.bound(rows, 4).map { Int($0) },
                    maxPublishesPerSecond: self.rate(rows, 7),
                    maxPublishBytesPerSecond: self.rate(rows, 8),
                    createsTopics: rows.int64(5) != 0,
                    description: rows.text(6)
                )
            )
        }
        return PolicySet(policies)
    }

    /// By hand a bound may have been set that would leave nothing.
    private static func bound(_ row: PreparedStatement, _ index: Int32) -> Int64? {
        row.int64OrNil(index).map { max(1, $0) }
    }

    /// The same of a rate at which nothing would ever be published.
    private static func rate(_ row: PreparedStatement, _ index: Int32) -> Double? {
        row.doubleOrNil(index).map {
            min(max(Policy.rates.lowerBound, $0), Policy.rates.upperBound)
        }
    }
}
