import GRDB
import GRDBSQLite
import Synchronization
import TickertapeCore

/// Reads pages through one connection.
///
/// Confined to its reader thread. Each page is one short transaction: nothing is open while a
/// slow subscriber takes what was read.
final class PageReader {
    let database: Database
    let shared: LogShared
    let limits: Limits
    let begin: PreparedStatement
    let commit: PreparedStatement
    private let removed: PreparedStatement
    private let removedOfTopic: PreparedStatement
    private let scan: PreparedStatement
    private let single: PreparedStatement
    private let tailFirst: PreparedStatement
    /// For the topics whose rows are merged, one for each; made when first needed.
    private var arms: [PreparedStatement] = []

    private static let columns = "id, topic_id, time, event, key, data"

    init(_ database: Database, shared: LogShared, limits: Limits) throws {
        self.database = database
        self.shared = shared
        self.limits = limits
        self.begin = try PreparedStatement(database, "BEGIN")
        self.commit = try PreparedStatement(database, "COMMIT")
        self.removed = try PreparedStatement(
            database,
            """
            SELECT id, name, removed_through FROM topics
            WHERE removed_through > 0 AND removed_through > ? ORDER BY removed_through DESC
            """
        )
        self.removedOfTopic = try PreparedStatement(
            database,
            "SELECT removed_through FROM topics WHERE id = ? AND removed_through > ?"
        )
        self.scan = try PreparedStatement(
            database,
            "SELECT \(Self.columns) FROM messages WHERE id > ? AND id <= ? ORDER BY id LIMIT ?"
        )
        self.single = try PreparedStatement(
            database,
            "SELECT \(Self.columns) FROM messages WHERE id = ?"
        )
        self.tailFirst = try PreparedStatement(
            database,
            """
            SELECT min(id) FROM
            (\(TopicMessages.select("id", newestFirst: true, isLimited: true)))
            """
        )
    }

    func readPage(_ request: PageRequest) throws(SQLiteFailure) -> Page {
        // Loaded before the transaction begins, so that everything up to it is visible in it.
        let head = self.shared.head.load(ordering: .acquiring)
        // This too: what it leaves out is told as a gap then.
        let purged = self.shared.catalog.purged
        self.shared.pagesRead.add(1, ordering: .relaxed)
        try self.begin.run()
        defer { try? self.commit.run() }
        let removedThrough = try self.removedThrough(request)
        guard head > request.after else {
            return Page(
                messages: [],
                through: request.after,
                head: head,
                removedThrough: removedThrough
            )
        }
        var content = PageContent(request, catalog: self.shared.catalog, purged: purged)
        let candidates = self.shared.catalog.candidates(
            for: request.filter,
            after: request.after,
            max: self.limits.mergedTopicsMax
        )
        let through: Int64
        switch candidates {
        case .topics(let numbers) where numbers.isEmpty:
            through = head
        case .topics(let numbers):
            through = try self.merge(numbers, request, head, purged, into: &content)
        case .many:
            through = try self.scan(request, head, into: &content)
        }
        return Page(
            messages: content.messages,
            through: through,
            head: head,
            removedThrough: removedThrough
        )
    }

    func readMessage(id: Int64) throws(SQLiteFailure) -> Message? {
        let purged = self.shared.catalog.purged
        self.single.bind(id, at: 1)
        guard try self.single.step() else { return nil }
        defer { self.single.reset() }
        guard id <= self.shared.head.load(ordering: .acquiring),
            id > purged[self.single.int64(1)] ?? 0,
            let topic = self.shared.catalog.name(of: self.single.int64(1))
        else { return nil }
        return Message(self.single, topic: topic)
    }

    /// Each topic is looked at by itself, so one transaction is as good as several.
    ///
    /// Cut short when the ticket is given back meanwhile.
    func findTail(
        of filter: TopicFilter,
        count: Int,
        upTo head: Int64,
        for ticket: ReadTicket
    ) throws(SQLiteFailure) -> TailStart {
        var firstIDs: [Int64: Int64] = [:]
        var left = self.shared.catalog.numbers(for: filter)[...]
        while !left.isEmpty && ticket.isWanted {
            let some = left.prefix(self.limits.tailTopicsMax)
            left = left.dropFirst(some.count)
            try self.findFirst(of: some, count, head, into: &firstIDs)
        }
        let first = firstIDs.values.lazy.filter { $0 > 0 }.min() ?? head + 1
        return TailStart(after: min(first - 1, head), end: head, firstIDs: firstIDs)
    }

    private func findFirst(
        of topics: ArraySlice<Int64>,
        _ count: Int,
        _ head: Int64,
        into firstIDs: inout [Int64: Int64]
    ) throws(SQLiteFailure) {
        let purged = self.shared.catalog.purged
        try self.begin.run()
        defer { try? self.commit.run() }
        for number in topics {
            TopicMessages.bind(
                self.tailFirst,
                topic: number,
                after: purged[number] ?? 0,
                through: head,
                limit: Int64(count)
            )
            guard try self.tailFirst.step() else { continue }
            firstIDs[number] = count > 0 ? self.tailFirst.int64(0) : head + 1
            self.tailFirst.reset()
        }
    }

    /// The largest id removed after the cursor from a topic of the filter.
    private func removedThrough(_ request: PageRequest) throws(SQLiteFailure) -> Int64? {
        guard let topics = request.filter.exactTopics else {
            return try self.removedByPattern(request)
        }
        // Not by the index: it may have every topic of the log.
        var largest: Int64?
        for topic in topics {
            guard let number = self.shared.catalog.find(topic)?.number else { continue }
            self.removedOfTopic.bind(number, at: 1)
            self.removedOfTopic.bind(request.after, at: 2)
            guard try self.removedOfTopic.step() else { continue }
            let removed = self.removedOfTopic.int64(0)
            self.removedOfTopic.reset()
            guard request.isMissing(removed, number) else { continue }
            largest = max(largest ?? 0, removed)
        }
        return largest
    }

    private func removedByPattern(_ request: PageRequest) throws(SQLiteFailure) -> Int64? {
        self.removed.bind(request.after, at: 1)
        while try self.removed.step() {
            let removed = self.removed.int64(2)
            guard request.filter.matches(TopicName(stored: self.removed.text(1))),
                request.isMissing(removed, self.removed.int64(0))
            else { continue }
            self.removed.reset()
            return removed
        }
        return nil
    }

    /// Reads the rows of a few topics, each in its order, merged in the order of ids.
    private func merge(
        _ topics: [Int64],
        _ request: PageRequest,
        _ head: Int64,
        _ purged: [Int64: Int64],
        into content: inout PageContent
    ) throws(SQLiteFailure) -> Int64 {
        try self.makeArms(topics.count)
        // Each at its next row.
        var open: [(id: Int64, arm: PreparedStatement)] = []
        defer { for (_, arm) in open { arm.reset() } }
        for (number, arm) in zip(topics, self.arms) {
            let after = max(request.after, purged[number] ?? 0)
            TopicMessages.bind(arm, topic: number, after: after, through: head)
            if try arm.step() { open.append((arm.int64(0), arm)) }
        }
        while open.count > 1 {
            var next = 0
            for other in open.indices where open[other].id < open[next].id { next = other }
            if case .full = content.take(open[next].arm) { return content.through }
            if try open[next].arm.step() {
                open[next].id = open[next].arm.int64(0)
            } else {
                open.swapAt(next, open.count - 1)
                open.removeLast()
            }
        }
        guard let (_, last) = open.popLast() else { return head }
        repeat {
            if case .full = content.take(last) {
                last.reset()
                return content.through
            }
        } while try last.step()
        return head
    }

    private func makeArms(_ count: Int) throws(SQLiteFailure) {
        while self.arms.count < count {
            let arm = try self.prepare {
                try PreparedStatement(self.database, own: TopicMessages.select(Self.columns))
            }
            self.arms.append(arm)
        }
    }

    /// Reads the log by id and keeps what the filter selects, up to a number of rows.
    private func scan(
        _ request: PageRequest,
        _ head: Int64,
        into content: inout PageContent
    ) throws(SQLiteFailure) -> Int64 {
        let examinedMax = self.limits.pageRowsExaminedMax
        self.scan.bind(request.after, at: 1)
        self.scan.bind(head, at: 2)
        self.scan.bind(Int64(examinedMax), at: 3)
        var examined = 0
        var last = request.after
        while try self.scan.step() {
            examined += 1
            if case .full = content.take(self.scan) {
                self.scan.reset()
                return content.through
            }
            last = self.scan.int64(0)
        }
        return examined == examinedMax ? last : head
    }
}

/// The messages of a page while it is read.
private struct PageContent {
    enum Taken {
        case more
        /// The page has no room for this row.
        case full
    }

    private(set) var messages: [Message] = []
    /// The last id that was looked at and is not left for the next page.
    private(set) var through: Int64

    private let request: PageRequest
    private let catalog: TopicCatalog
    /// Up to where messages of topics are gone that have rows of such messages.
    private let purged: [Int64: Int64]
    private var bytes = 0
    /// Topics met so far; nothing for those the filter does not select.
    private var topics: [Int64: TopicName?] = [:]

    init(_ request: PageRequest, catalog: TopicCatalog, purged: [Int64: Int64]) {
        self.request = request
        self.catalog = catalog
        self.purged = purged
        self.through = request.after
    }

    mutating func take(_ row: PreparedStatement) -> Taken {
        let id = row.int64(0)
        let number = row.int64(1)
        guard let topic = self.selected(number), !self.isBeforeTail(id, number),
            !self.isPurged(id, number)
        else {
            self.through = id
            return .more
        }
        if self.messages.count == self.request.messagesMax { return .full }
        let message = Message(row, topic: topic)
        let bytes = self.request.bytes(of: message)
        if !self.messages.isEmpty && self.bytes + bytes > self.request.bytesMax { return .full }
        self.messages.append(message)
        self.bytes += bytes
        self.through = id
        return .more
    }

    private mutating func selected(_ number: Int64) -> TopicName? {
        if let known = self.topics[number] { return known }
        let name = self.catalog.name(of: number).flatMap {
            self.request.filter.matches($0) ? $0 : nil
        }
        self.topics[number] = .some(name)
        return name
    }

    private func isPurged(_ id: Int64, _ number: Int64) -> Bool {
        guard !self.purged.isEmpty, let through = self.purged[number] else { return false }
        return id <= through
    }

    private func isBeforeTail(_ id: Int64, _ number: Int64) -> Bool {
        guard let tail = self.request.tail, id <= tail.end else { return false }
        guard let first = tail.firstIDs[number] else { return false }
        return id < first
    }
}

extension PageRequest {
    /// Whether something that was asked for is gone when a topic has lost everything up to
    /// `removed`: what lies before its tail was not asked for.
    fileprivate func isMissing(_ removed: Int64, _ number: Int64) -> Bool {
        guard removed > self.after else { return false }
        guard let tail = self.tail else { return true }
        guard let first = tail.firstIDs[number], first > 0 else { return removed > tail.end }
        return removed >= first
    }
}

extension Message {
    /// Reads the columns id, topic_id, time, event, key, data.
    fileprivate init(_ row: PreparedStatement, topic: TopicName) {
        self.init(
            id: row.int64(0),
            topic: topic,
            timeMilliseconds: row.int64(2),
            event: row.textOrNil(3),
            key: row.textOrNil(4),
            data: row.text(5)
        )
    }
}
