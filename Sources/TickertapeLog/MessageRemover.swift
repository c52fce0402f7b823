import GRDB
import TickertapeCore

/// Removes the oldest messages of a topic within the open transaction.
///
/// Writer thread only.
struct MessageRemover {
    /// Ends at whichever comes first, but for one message at least.
    struct Budget {
        var messages: Int
        /// Of payload.
        var bytes: Int64
        /// Looked at between small steps: rows of a sparse topic may each be read from the disk.
        let deadline: ContinuousClock.Instant

        var isSpent: Bool {
            self.messages <= 0 || self.bytes <= 0 || ContinuousClock.now >= self.deadline
        }

        mutating func spend(messages: Int, bytes: Int64) {
            self.messages -= messages
            self.bytes -= bytes
        }
    }

    /// What of a topic is to go: its oldest messages between two ids, the last included, while one
    /// of three is not reached.
    struct Wanted {
        var after: Int64
        var through = Int64.max
        var messages = Int64.max
        /// Of payload.
        var bytes = Int64.max
        /// Commit time.
        var throughMilliseconds = Int64.max
    }

    /// What has been found to go.
    struct Found {
        var messages: Int64 = 0
        var bytes: Int64 = 0
        /// The last id of it; 0 when nothing was found.
        var through: Int64 = 0
        var left = RetentionMachine.Left.more
    }

    /// Messages of one step.
    private static let stepMax = 100

    private let oldest: PreparedStatement
    private let delete: PreparedStatement
    private let blocks: TopicBlocks

    init(_ database: Database) throws {
        self.oldest = try PreparedStatement(
            database,
            TopicMessages.select("id, length(data), time", isLimited: true)
        )
        self.delete = try PreparedStatement(
            database,
            "DELETE FROM messages WHERE id IN (\(TopicMessages.select("id")))"
        )
        self.blocks = try TopicBlocks(database)
    }

    /// Finds what goes next, a step at most.
    func find(
        _ wanted: Wanted,
        topic number: Int64,
        within budget: Budget
    ) throws(SQLiteFailure) -> Found {
        let most = min(Self.stepMax, max(1, budget.messages))
        var found = Found()
        TopicMessages.bind(
            self.oldest,
            topic: number,
            after: wanted.after,
            through: wanted.through,
            limit: Int64(most) + 1
        )
        while try self.oldest.step() {
            let time = self.oldest.int64(2)
            let isWanted =
                found.messages < wanted.messages || found.bytes < wanted.bytes
                || time <= wanted.throughMilliseconds
            let isFull =
                found.messages == most || (found.messages > 0 && found.bytes >= budget.bytes)
            if !isWanted || isFull {
                found.left = isWanted ? .more : .oldest(time)
                self.oldest.reset()
                return found
            }
            found.messages += 1
            found.bytes += self.oldest.int64(1)
            found.through = self.oldest.int64(0)
        }
        found.left = .nothing
        return found
    }

    /// Deletes the messages of a topic between two ids, the last included.
    func delete(topic number: Int64, after: Int64, through: Int64) throws(SQLiteFailure) {
        TopicMessages.bind(self.delete, topic: number, after: after, through: through)
        try self.delete.run()
        try self.blocks.forgetEmpty(of: number, after: after, through: through)
    }
}
