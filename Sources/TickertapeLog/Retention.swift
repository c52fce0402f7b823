import GRDB
import TickertapeCore

/// Removes what policies no longer keep, frees what is gone, and keeps the counts of topics.
///
/// Writer thread only. Works inside the open transaction; what it did counts once that is
/// committed. The count of a topic stands in its row, but is not written with every message: a
/// start counts what came since.
struct Retention: ~Copyable {
    struct Book {
        let number: Int64
        var lastID: Int64
        var purgedThrough: Int64
        /// Up to where the row of the topic has counted.
        var countedThrough: Int64
        /// Messages that came since.
        var uncounted: Int64
        var isDirty = false
    }

    /// What the open transaction did; counts when it is committed.
    private enum Done {
        case removed(Int, MessageRemover.Found, counted: Int64)
        case freed(Int, isDone: Bool)
        case counted(Int, through: Int64)
        case deleted(Deletion)
    }

    /// What a transaction removed.
    struct Removed {
        var messages: Int64 = 0
        var bytes: Int64 = 0
        var topics: [Deletion] = []
    }

    let shared: LogShared
    let limits: Limits
    private let remover: MessageRemover
    let records: TopicRecords
    var machine: RetentionMachine
    var books: [Book] = []
    var indexByNumber: [Int64: Int] = [:]
    var policies: PolicySet
    /// Patterns whose policy has changed for topics from `reviewed` on.
    var changed: [TopicPattern] = []
    var reviewed = 0
    private var done: [Done] = []
    /// Removals that were begun in the open transaction.
    private var begun: [Int] = []
    /// Topics whose count it has written, or would have with a removal.
    private var written: [Int] = []
    /// Topics with messages that are in no row's count.
    var dirty: [Int] = []
    private var uncountedSum: Int64 = 0
    /// Topics of which many are.
    private var overdue: [Int] = []

    init(_ database: Database, shared: LogShared, topics: [TopicStart], limits: Limits) throws {
        let remover = try MessageRemover(database)
        let records = try TopicRecords(database)
        self.machine = RetentionMachine()
        self.shared = shared
        self.limits = limits
        self.remover = remover
        self.records = records
        self.policies = shared.policies
        let now = wallClockMilliseconds()
        for topic in topics {
            self.add(topic, now)
            if topic.hasLeftovers {
                shared.catalog.purge(topic.number, through: topic.purgedThrough)
            }
        }
    }

    private mutating func add(_ topic: TopicStart, _ now: Int64) {
        let index = self.books.count
        self.indexByNumber[topic.number] = index
        self.books.append(
            Book(
                number: topic.number,
                lastID: topic.lastID,
                purgedThrough: topic.purgedThrough,
                countedThrough: topic.countedThrough,
                uncounted: 0
            )
        )
        self.machine.add(
            messages: topic.messages,
            bytes: topic.bytes,
            bounds: .init(self.policies.policy(for: topic.name)),
            hasLeftovers: topic.hasLeftovers,
            atMilliseconds: now
        )
        if let end = topic.end, end.reason != .deleted {
            self.machine.ended(index, atMilliseconds: end.timeMilliseconds)
        }
        self.noteUncounted(index, topic.uncounted)
    }

    /// Topics of which something is still to be removed.
    var dueCount: Int { self.machine.dueCount }
    /// Whether there is something to do now.
    mutating func isBusy(atMilliseconds now: Int64) -> Bool {
        self.machine.lookAround(atMilliseconds: now)
        return self.machine.dueCount > 0 || !self.changed.isEmpty || !self.overdue.isEmpty
            || self.uncountedSum > self.limits.uncountedMessagesMax
    }

    // MARK: - In the open transaction

    /// Removes what is due within a budget; `appended` is what the transaction has inserted so far.
    mutating func work(
        within budget: MessageRemover.Budget,
        appended: [Int64: TopicCatalog.Appended],
        atMilliseconds now: Int64
    ) throws(SQLiteFailure) {
        let reviewEnd = ContinuousClock.now + .milliseconds(self.limits.retentionMilliseconds)
        self.reviewSome(now, until: min(budget.deadline, reviewEnd))
        var budget = budget
        while !budget.isSpent, let removal = self.machine.next(atMilliseconds: now) {
            // Many small removals cost more than the messages.
            budget.spend(messages: Self.removalCost, bytes: 0)
            switch removal {
            case .leftovers(let index):
                self.begun.append(index)
                try self.free(index, &budget)
            case .expired(let index, let messages, let bytes, let through):
                self.begun.append(index)
                self.written.append(index)
                let wanted = MessageRemover.Wanted(
                    after: self.books[index].purgedThrough,
                    messages: messages,
                    bytes: bytes,
                    throughMilliseconds: through
                )
                try self.remove(index, wanted, appended[self.books[index].number], &budget)
            case .topic(let index):
                // Its rows are noted twice, and everybody is told of it.
                budget.spend(messages: Self.removalCost, bytes: 0)
                self.begun.append(index)
                self.written.append(index)
                try self.delete(index, now)
            }
        }
        try self.countOverdue(appended)
    }

    /// What one removal costs besides its messages, in messages.
    private static let removalCost = 4

    private mutating func free(
        _ index: Int,
        _ budget: inout MessageRemover.Budget
    ) throws(SQLiteFailure) {
        let book = self.books[index]
        var wanted = MessageRemover.Wanted(after: 0, through: book.purgedThrough)
        var found = MessageRemover.Found()
        repeat {
            found = try self.remover.find(wanted, topic: book.number, within: budget)
            guard found.messages > 0 else { break }
            try self.remover.delete(
                topic: book.number,
                after: wanted.after,
                through: found.through
            )
            wanted.after = found.through
            budget.spend(messages: Int(found.messages), bytes: found.bytes)
        } while found.left == .more && !budget.isSpent
        self.done.append(.freed(index, isDone: found.left != .more))
    }

    private mutating func remove(
        _ index: Int,
        _ removal: MessageRemover.Wanted,
        _ appended: TopicCatalog.Appended?,
        _ budget: inout MessageRemover.Budget
    ) throws(SQLiteFailure) {
        let book = self.books[index]
        var wanted = removal
        var counted = book.countedThrough
        var all = MessageRemover.Found()
        repeat {
            let found = try self.remover.find(wanted, topic: book.number, within: budget)
            all.messages += found.messages
            all.bytes += found.bytes
            all.left = found.left
            guard found.messages > 0 else { break }
            all.through = found.through
            // First, so that `messages_removed` has nothing to note.
            let count = self.count(index, appended, less: all)
            try self.records.note(
                book.number,
                purgedThrough: found.through,
                counted: counted,
                count
            )
            counted = count.through
            try self.remover.delete(
                topic: book.number,
                after: wanted.after,
                through: found.through
            )
            wanted.after = found.through
            wanted.messages = max(0, wanted.messages - found.messages)
            wanted.bytes = max(0, wanted.bytes - found.bytes)
            budget.spend(messages: Int(found.messages), bytes: found.bytes)
        } while all.left == .more && !budget.isSpent
        self.done.append(.removed(index, all, counted: counted))
    }

    /// Deletes a topic with everything in it; nothing is appended to one that has ended.
    private mutating func delete(_ index: Int, _ now: Int64) throws(SQLiteFailure) {
        let book = self.books[index]
        guard let name = self.shared.catalog.name(of: book.number) else {
            preconditionFailure("topic \(book.number) was never added")
        }
        let purge = Purge(
            number: book.number,
            through: book.lastID,
            messages: self.machine.messages(index),
            bytes: self.machine.bytes(index)
        )
        let deletion = Deletion(purge: purge, end: .deleted(name, atMilliseconds: now))
        try self.write(purge, deletion.end)
        self.done.append(.deleted(deletion))
    }

    /// What a topic will hold when the open transaction is committed.
    private func count(
        _ index: Int,
        _ appended: TopicCatalog.Appended?,
        less removed: MessageRemover.Found
    ) -> TopicRecords.Count {
        var messages = self.machine.messages(index) + (appended?.messages ?? 0) - removed.messages
        var bytes = self.machine.bytes(index) + (appended?.bytes ?? 0) - removed.bytes
        if removed.left == .nothing { (messages, bytes) = (0, 0) }
        return TopicRecords.Count(
            messages: max(0, messages),
            bytes: max(0, bytes),
            through: max(self.books[index].lastID, appended?.lastID ?? 0)
        )
    }

    /// Writes the counts of some topics of which many messages are in none.
    private mutating func countOverdue(
        _ appended: [Int64: TopicCatalog.Appended]
    ) throws(SQLiteFailure) {
        var left = self.limits.countedTopicsMax
        while left > 0, let index = self.overdue.popLast() {
            left -= 1
            // A removal has written it already.
            guard !self.written.contains(index) else { continue }
            try self.writeCount(index, appended[self.books[index].number])
        }
        guard self.uncountedSum > self.limits.uncountedMessagesMax else { return }
        while left > 0, let index = self.dirty.popLast() {
            left -= 1
            self.books[index].isDirty = false
            guard self.books[index].uncounted > 0, !self.written.contains(index) else { continue }
            try self.writeCount(index, appended[self.books[index].number])
        }
    }

    mutating func writeCount(
        _ index: Int,
        _ appended: TopicCatalog.Appended?
    ) throws(SQLiteFailure) {
        let count = self.count(index, appended, less: .init())
        try self.records.note(
            self.books[index].number,
            purgedThrough: 0,
            counted: self.books[index].countedThrough,
            count
        )
        self.begun.append(index)
        self.written.append(index)
        self.done.append(.counted(index, through: count.through))
    }

    // MARK: - After the transaction

    /// The open transaction was committed, with these messages.
    ///
    /// - Returns: What it removed.
    mutating func committed(
        _ content: Transaction.Content,
        atMilliseconds now: Int64
    ) -> Removed {
        for (name, number) in content.topicsToAdd { self.add(TopicStart(number, name), now) }
        for (number, more) in content.appended {
            let index = self.index(of: number)
            self.books[index].lastID = more.lastID
            self.machine.appended(
                index,
                messages: more.messages,
                bytes: more.bytes,
                atMilliseconds: now
            )
            self.noteUncounted(index, more.messages)
        }
        for number in content.endedTopics {
            guard let end = content.ends[number] else { continue }
            self.machine.ended(self.index(of: number), atMilliseconds: end.timeMilliseconds)
        }
        var removed = Removed()
        for done in self.done { self.take(done, now, &removed) }
        self.done.removeAll(keepingCapacity: true)
        self.begun.removeAll(keepingCapacity: true)
        self.written.removeAll(keepingCapacity: true)
        return removed
    }

    /// The open transaction was rolled back.
    mutating func abandoned(atMilliseconds now: Int64) {
        for index in self.begun {
            self.machine.failed(index, atMilliseconds: now)
            self.remindOfCount(index)
        }
        self.done.removeAll(keepingCapacity: true)
        self.begun.removeAll(keepingCapacity: true)
        self.written.removeAll(keepingCapacity: true)
    }

    private mutating func take(
        _ done: Done,
        _ now: Int64,
        _ removed: inout Removed
    ) {
        switch done {
        case .removed(let index, let found, let counted):
            self.machine.removed(
                index,
                messages: found.messages,
                bytes: found.bytes,
                left: found.left,
                atMilliseconds: now
            )
            if found.messages > 0 {
                self.books[index].purgedThrough = found.through
                self.noteCounted(index, counted)
            } else {
                self.remindOfCount(index)
            }
            self.shared.catalog.lower(
                self.books[index].number,
                toMessages: self.machine.messages(index),
                bytes: self.machine.bytes(index)
            )
            removed.messages += found.messages
            removed.bytes += found.bytes
        case .freed(let index, let isDone):
            self.machine.freed(index, isDone: isDone, atMilliseconds: now)
            if isDone { self.shared.catalog.freed(self.books[index].number) }
        case .counted(let index, let through):
            self.noteCounted(index, through)
        case .deleted(let deletion):
            self.take(deletion)
            removed.messages += deletion.purge.messages
            removed.bytes += deletion.purge.bytes
            removed.topics.append(deletion)
        }
    }

    private mutating func noteUncounted(_ index: Int, _ count: Int64) {
        guard count > 0 else { return }
        let before = self.books[index].uncounted
        self.books[index].uncounted += count
        self.uncountedSum += count
        self.markDirty(index)
        let most = self.limits.uncountedTopicMessagesMax
        if before <= most && before + count > most { self.overdue.append(index) }
    }

    /// A count that was to be written was not.
    private mutating func remindOfCount(_ index: Int) {
        guard self.books[index].uncounted > 0 else { return }
        self.markDirty(index)
        if self.books[index].uncounted > self.limits.uncountedTopicMessagesMax {
            self.overdue.append(index)
        }
    }

    mutating func noteCounted(_ index: Int, _ through: Int64) {
        self.books[index].countedThrough = through
        self.uncountedSum -= self.books[index].uncounted
        self.books[index].uncounted = 0
    }

    private mutating func markDirty(_ index: Int) {
        guard !self.books[index].isDirty else { return }
        self.books[index].isDirty = true
        self.dirty.append(index)
    }
}
