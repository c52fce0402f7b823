package import TickertapeCore

/// The log: an endless tape of messages that is appended to at one end and read anywhere.
///
/// The seam between the broker and a storage engine. What the broker learns, it learns from
/// announcements: a batch that another machine committed looks like one of its own.
/// Every method may be called from any thread and returns at once.
package protocol MessageLog: AnyObject, Sendable {
    /// The largest id that is durable and announced or about to be.
    var head: Int64 { get }

    /// Whether the last attempt to commit succeeded.
    var isWritable: Bool { get }

    /// How a filter has ended that has nothing but topics that have ended, or were deleted and not
    /// created again: whoever follows it is told so, once it has all messages.
    ///
    /// There before the last of these ends is announced, so that who asks and then waits for
    /// announcements misses none. Costs next to nothing, above all while no topic has ended.
    func end(of filter: TopicFilter) -> FilterEnd?

    /// Calls `observer` with every batch once it is durable, in the order of ids, and with what
    /// operators removed, one at a time, on a thread of the log. Set once, before the first append.
    func announce(to observer: @escaping @Sendable (Announcement) -> Void)

    /// Reserves room in the write queue for a draft that will be appended next, within the same
    /// turn of its loop: the log may wait a moment for it before it commits.
    ///
    /// Where the queue is full, that counts as a refusal unless whoever asks will ask again.
    ///
    /// - Returns: `false` when the queue is full; nothing is reserved then.
    func admit(_ draft: Draft, asksAgain: Bool) -> Bool

    /// The same for drafts of which all are appended or none: room for all of them, or for none.
    func admit(_ drafts: [Draft]) -> Bool

    /// Appends admitted drafts in order, all in one transaction.
    ///
    /// For each, a broken sequence comes first (`skipped`), then its idempotency key
    /// (`alreadyStored`, `idempotencyKeyReused`), the end of its topic (`topicEnded`), the policy of
    /// its topic (`refused`), its condition (`conditionFailed`). A draft that is not stored breaks
    /// its sequence, whatever the reason.
    ///
    /// If they are `atomic`, all are stored or none: the first that is not has the reason as its
    /// result, all others `skipped`. What comes before it counts for it, but an id of that is never
    /// named: the last id in the result is the one that the topic still has.
    ///
    /// `completion` is called once, after the commit, on a thread of the log, in the order of the
    /// calls to `append`, with one result a draft.
    func append(
        _ drafts: [Draft],
        atomic: Bool,
        completion: @escaping @Sendable ([AppendResult]) -> Void
    )

    /// Reads the messages after a cursor that a filter selects, oldest first.
    ///
    /// A read whose ticket was given back is answered too, as `closed`, and costs nothing.
    func readPage(
        _ request: PageRequest,
        for ticket: ReadTicket,
        completion: @escaping @Sendable (Result<Page, LogError>) -> Void
    )

    /// Finds where the last `count` messages of each topic of a filter begin, of those up to
    /// `head`: what comes later is no tail.
    func findTail(
        of filter: TopicFilter,
        count: Int,
        upTo head: Int64,
        for ticket: ReadTicket,
        completion: @escaping @Sendable (Result<TailStart, LogError>) -> Void
    )

    /// Reads one message; nothing when it does not exist.
    func readMessage(
        id: Int64,
        completion: @escaping @Sendable (Result<Message?, LogError>) -> Void
    )

    /// Commits what was appended, folds the log into its main file and lets go of it. Blocks.
    ///
    /// Reads that have not begun are answered as `closed`.
    func close()
}

/// Messages of one transaction, in the order of their ids; at least one.
package struct CommittedBatch: Sendable {
    package let messages: [Message]
    package let firstID: Int64
    package let lastID: Int64
    /// The sum over the messages.
    package let bytes: Int
    /// When it became durable, by the clock of the system that never goes back.
    package let uptimeNanoseconds: UInt64

    package init(_ messages: [Message]) {
        guard let first = messages.first, let last = messages.last else {
            preconditionFailure("a batch has at least one message")
        }
        self.messages = messages
        self.firstID = first.id
        self.lastID = last.id
        self.bytes = messages.reduce(0) { $0 + $1.bytes }
        self.uptimeNanoseconds = TickertapeLog.uptimeNanoseconds()
    }
}

/// What became of one draft.
package enum AppendResult: Equatable, Sendable {
    /// Durable under this id.
    case stored(id: Int64)
    /// Its idempotency key was used for the same content, stored under this id.
    case alreadyStored(id: Int64)
    /// Its idempotency key was used for other content.
    case idempotencyKeyReused
    /// A policy does not take it; the others of its transaction are stored.
    case refused(PublishRefusal)
    /// A draft without a message: its topic has ended, now or before.
    case ended(TopicEnd)
    /// Not stored: its topic has ended before.
    case topicEnded(TopicEnd)
    /// Not stored: its condition does not hold; this is the last id of the topic.
    case conditionFailed(lastID: Int64)
    /// Not stored, because another of its sequence or its atomic batch was not.
    case skipped
    /// Not stored.
    case failed(LogError)

    /// Whether all that the draft asked for is so, now or before.
    package var isDone: Bool {
        switch self {
        case .stored, .alreadyStored, .ended: true
        case .idempotencyKeyReused, .refused, .topicEnded, .conditionFailed, .skipped, .failed:
            false
        }
    }
}

/// How a filter has ended.
package struct FilterEnd: Hashable, Sendable {
    /// That of the topic that ended last.
    package let last: TopicEnd
    /// Who has this cursor or a later one has all messages; 0 when all topics were deleted.
    package let lastID: Int64

    package init(last: TopicEnd, lastID: Int64) {
        self.last = last
        self.lastID = lastID
    }
}

/// Why the log could not do something.
package enum LogError: Error, Equatable, Sendable {
    case diskFull
    /// Another failure of the disk or the database, in words.
    case unavailable(String)
    /// The log is closed, or who asked has left.
    case closed
}

/// What to read.
package struct PageRequest: Sendable {
    package let filter: TopicFilter
    /// Only messages with a larger id.
    package let after: Int64
    package let messagesMax: Int
    /// At least one message is read, however large.
    package let bytesMax: Int
    /// Whether `bytesMax` counts payload and nothing else: messages that will be joined cost little
    /// more.
    package let countsPayloadOnly: Bool
    /// Leaves out what lies before the tail of its topic.
    package let tail: TailStart?

    package init(
        filter: TopicFilter,
        after: Int64,
        messagesMax: Int,
        bytesMax: Int,
        countsPayloadOnly: Bool = false,
        tail: TailStart? = nil
    ) {
        precondition(after >= 0 && messagesMax > 0 && bytesMax > 0, "a page has room")
        self.filter = filter
        self.after = after
        self.messagesMax = messagesMax
        self.bytesMax = bytesMax
        self.countsPayloadOnly = countsPayloadOnly
        self.tail = tail
    }

    /// What a message counts of `bytesMax`.
    package func bytes(of message: Message) -> Int {
        self.countsPayloadOnly ? message.data.utf8.count : message.bytes
    }
}

/// What was read.
package struct Page: Sendable {
    /// In the order of their ids.
    package let messages: [Message]
    /// The last id examined: everything selected up to here is in this page or an earlier one.
    package let through: Int64
    /// The head when the page was read.
    package let head: Int64
    /// The largest id removed after the cursor from a selected topic, if any was.
    package let removedThrough: Int64?

    package init(messages: [Message], through: Int64, head: Int64, removedThrough: Int64?) {
        assert(messages.last.map { $0.id <= through } ?? true, "a page ends at its through")
        self.messages = messages
        self.through = through
        self.head = head
        self.removedThrough = removedThrough
    }
}

/// Where the last messages of each topic begin.
package struct TailStart: Sendable {
    /// The cursor to read from.
    package let after: Int64
    /// The head when the tail was found; from here on every message counts.
    package let end: Int64
    /// The first id of each topic's tail, by the log's own number for the topic.
    package let firstIDs: [Int64: Int64]

    package init(after: Int64, end: Int64, firstIDs: [Int64: Int64]) {
        self.after = after
        self.end = end
        self.firstIDs = firstIDs
    }
}

extension MessageLog {
    /// The same for those who give up when there is no room.
    package func admit(_ draft: Draft) -> Bool { self.admit(draft, asksAgain: false) }

    /// The same for drafts that do not depend on each other.
    package func append(
        _ drafts: [Draft],
        completion: @escaping @Sendable ([AppendResult]) -> Void
    ) {
        self.append(drafts, atomic: false, completion: completion)
    }
}
