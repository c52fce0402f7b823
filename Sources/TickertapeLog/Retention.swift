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
    }

    let shared: LogShared
    let limits: Limits
    private let remover: MessageRemover
    let records: TopicRecords
    var machine: RetentionMachine
    var books: [Book] = []
    var indexByNumber: [Int64: Int] = [:]
    private var policies: PolicySet
    /// Patterns whose policy has changed for topics from `reviewed` on.
    private var changed: [TopicPattern] = []
    private var reviewed = 0
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
    ) -> (messages: Int64, bytes: Int64) {
        for (name, number) in content.topicsToAdd { self.add(TopicStart(number, name), now) }
        for (number, more) in content.appended {
            guard let index = self.indexByNumber[number] else {
                preconditionFailure("a message was committed to a topic nobody added")
            }
            self.books[index].lastID = more.lastID
            self.machine.appended(
                index,
                messages: more.messages,
                bytes: more.bytes,
                atMilliseconds: now
            )
            self.noteUncounted(index, more.messages)
        }
        var removed: (messages: Int64, bytes: Int64) = (0, 0)
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
        _ removed: inout (messages: Int64, bytes: Int64)
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

    // MARK: - Policies

    /// The policy of a pattern was set or removed: its topics are looked through, some at a time.
    mutating func policyChanged(_ pattern: TopicPattern, _ policies: PolicySet) {
        self.policies = policies
        self.changed.append(pattern)
        // To look at every topic costs less than to match very many patterns.
        if self.changed.count > Self.changedMax { self.changed = [PolicySet.fallback.pattern] }
        self.reviewed = 0
    }

    private static let changedMax = 16

    private mutating func reviewSome(_ now: Int64, until deadline: ContinuousClock.Instant) {
        guard !self.changed.isEmpty else { return }
        let names = self.shared.catalog.table.names
        assert(names.count == self.books.count, "the catalog has the same topics, in one order")
        let end = min(self.reviewed + self.limits.reviewedTopicsMax, self.books.count)
        while self.reviewed < end {
            let index = self.reviewed
            self.reviewed += 1
            if self.changed.contains(where: { $0.matches(names[index]) }) {
                self.machine.assign(
                    index,
                    .init(self.policies.policy(for: names[index])),
                    atMilliseconds: now
                )
            }
            // Publishers may wait, and there may be many policies to match.
            if self.reviewed % 64 == 0 && ContinuousClock.now >= deadline { break }
        }
        if self.reviewed == self.books.count { self.changed = [] }
    }
}
