package import TickertapeCore

/// What operators see of the log and do to it.
///
/// Beside `MessageLog`, which the broker lives on: nothing here is on the way of a message. Any
/// thread.
package protocol LogAdministration: AnyObject, Sendable {
    /// As they are in force now.
    var policies: PolicySet { get }

    /// Puts a policy in force, in place of one with the same pattern; durable when it returns.
    ///
    /// - Returns: `false` when there would be more than `PolicySet.countMax`.
    func setPolicy(_ policy: Policy) async throws(LogError) -> Bool

    /// - Returns: `false` when no policy has this pattern.
    func removePolicy(_ pattern: TopicPattern) async throws(LogError) -> Bool

    /// As they are good, or no longer, now.
    var tokens: TokenBoard { get }

    /// Makes a token good; durable when it returns, and on the board.
    ///
    /// - Returns: Nothing when there would be more than `TokenSet.countMax` good ones.
    func createToken(_ token: NewToken) async throws(LogError) -> StoredToken?

    /// Makes a token good no longer; one that was revoked stays as it was.
    ///
    /// - Returns: The token as it is now; nothing when there is none with this number.
    func revokeToken(id: Int64) async throws(LogError) -> StoredToken?

    /// Creates a topic without messages.
    ///
    /// - Returns: `false` when there is one of this name.
    func createTopic(_ topic: TopicName) async throws(LogError) -> Bool

    /// Removes a topic and all its messages, and tells those who follow it that it has ended.
    ///
    /// Nobody sees the messages any more when it returns, also after a restart; their room is freed
    /// afterwards, a few at a time.
    ///
    /// - Returns: Nothing when there is no such topic.
    func deleteTopic(_ topic: TopicName) async throws(LogError) -> TopicRemoval?

    /// Ends a topic without a further message; one that has ended before stays as it is.
    ///
    /// - Returns: How it has ended; nothing when there is no such topic.
    func endTopic(_ topic: TopicName, reason: TopicEnd.Reason) async throws(LogError) -> TopicEnd?

    /// Lets a topic that has ended take messages again; nobody is told.
    ///
    /// - Returns: `false` when it had not ended; nothing when there is no such topic.
    func reopenTopic(_ topic: TopicName) async throws(LogError) -> Bool?

    /// Removes the messages of a topic with smaller ids, visible and freed as with `deleteTopic`.
    ///
    /// - Returns: Nothing when there is no such topic.
    func purgeTopic(_ topic: TopicName, before id: Int64) async throws(LogError) -> TopicRemoval?

    /// What `purgeTopic` would remove now; nothing is removed.
    ///
    /// - Returns: Nothing when there is no such topic.
    func planPurge(_ topic: TopicName, before id: Int64) async throws(LogError) -> TopicRemoval?

    /// Every topic that exists, as columns; costs no copy until the log next changes them.
    var topics: TopicTable { get }

    /// What the table does not know of some of its rows, in their order; at most 1,000 at a time.
    func details(of numbers: [Int64]) async throws(LogError) -> [TopicDetails]

    /// The first id whose message was committed at this time or later; the head + 1 when none was.
    ///
    /// Messages need not exist any more: the answer is right for those that do.
    func firstID(atOrAfter timeMilliseconds: Int64) async throws(LogError) -> Int64

    /// When the first message after a cursor was committed; nothing when there is none.
    func time(after cursor: Int64) async throws(LogError) -> Int64?

    /// What retention would remove now if these policies were in force, topics that ended long ago
    /// with everything in them included; nothing is removed.
    func planRetention(_ policies: PolicySet) async throws(LogError) -> [TopicRemoval]

    /// Counters and sizes.
    func statistics() -> LogStatistics
}

/// A token that gets its number, and the time it is made at, from the log.
package struct NewToken: Sendable {
    package let hash: [UInt8]
    package let hint: String
    package let grant: Grant
    package let expiresMilliseconds: Int64?
    package let note: String

    package init(
        hash: [UInt8],
        hint: String,
        grant: Grant,
        expiresMilliseconds: Int64?,
        note: String
    ) {
        self.hash = hash
        self.hint = hint
        self.grant = grant
        self.expiresMilliseconds = expiresMilliseconds
        self.note = note
    }
}

/// What was or would be removed from one topic.
package struct TopicRemoval: Equatable, Sendable {
    package let topic: TopicName
    package let messages: Int64
    /// Of payload.
    package let bytes: Int64
    /// Everything of the topic up to this id is gone; 0 when nothing is removed.
    package let removedThrough: Int64

    package init(topic: TopicName, messages: Int64, bytes: Int64, removedThrough: Int64) {
        self.topic = topic
        self.messages = messages
        self.bytes = bytes
        self.removedThrough = removedThrough
    }
}

/// What has to be read about one topic.
package struct TopicDetails: Equatable, Sendable {
    /// Nothing when the topic has no message.
    package let firstID: Int64?
    package let firstTimeMilliseconds: Int64?
    package let lastTimeMilliseconds: Int64?
    /// The largest id ever removed; 0 when none was.
    package let removedThrough: Int64

    package init(
        firstID: Int64?,
        firstTimeMilliseconds: Int64?,
        lastTimeMilliseconds: Int64?,
        removedThrough: Int64
    ) {
        self.firstID = firstID
        self.firstTimeMilliseconds = firstTimeMilliseconds
        self.lastTimeMilliseconds = lastTimeMilliseconds
        self.removedThrough = removedThrough
    }
}

/// Counters since the start, and sizes as they are now.
package struct LogStatistics: Sendable {
    package var head: Int64 = 0
    /// Without deleted ones.
    package var topicCount = 0
    package var messageCount: Int64 = 0
    /// Of payload.
    package var byteCount: Int64 = 0

    /// Of the main file, and what of it is free.
    package var databaseBytes: Int64 = 0
    package var databaseFreeBytes: Int64 = 0
    package var writeAheadLogBytes: Int64 = 0
    /// Left on the disk.
    package var diskFreeBytes: Int64 = 0

    package var messagesIn: Int64 = 0
    package var bytesIn: Int64 = 0
    /// Publishes answered with the earlier id of their idempotency key.
    package var repeatsIn: Int64 = 0
    /// Publishes that were refused by a policy, a reused key, the end of their topic, their
    /// condition, or because the log failed.
    package var refusals: Int64 = 0

    package var queuedMessages = 0
    package var queuedBytes = 0

    package var commits: Int64 = 0
    /// From the first insert to the end of the commit, all of them.
    package var commitSeconds = 0.0
    /// The longest since statistics were last taken.
    package var commitSecondsMax = 0.0

    package var pagesRead: Int64 = 0
    package var messagesRemoved: Int64 = 0
    package var bytesRemoved: Int64 = 0
    /// Topics of which something is still to be removed.
    package var topicsDue = 0
    /// Access tokens that are good.
    package var activeTokens = 0

    package init() {}
}
