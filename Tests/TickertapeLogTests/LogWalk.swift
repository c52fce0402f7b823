import Testing
import TickertapeCore
import TickertapeLog
import TickertapeTestSupport

/// A log of files and one in memory that get the same.
struct LogWalk {
    let folder: LogFolder
    var log: SQLiteLog?
    let oracle = SimulatedLog(.immediate)
    private let seed: Seed
    var random: SeededGenerator
    private(set) var isGood = true
    /// One for each log: the first to break it would break it for the other.
    var sequence = PublishSequence()
    var oracleSequence = PublishSequence()

    let topics = [
        "a", "b", "a/b", "a/c", "a/b/c", "b/c", "c/c/c", "é", "e\u{301}", "a/é", "a/e\u{301}", "d",
    ]
    private let patterns = ["*", "**", "a/*", "a/**", "*/c", "a/*/c", "*/*", "b/**", "x/*"]

    init(_ limits: Limits, _ seed: Seed) throws {
        self.folder = try LogFolder(limits)
        self.log = try self.folder.open()
        self.seed = seed
        self.random = seed.generator
    }

    mutating func step() async throws {
        switch self.random.int(0...39) {
        case 0: try self.reopen()
        case 1...14: try await self.append()
        case 15...16: try await self.readTail()
        case 17...18: try await self.readMessage()
        case 19: try await self.purge()
        case 20...22: try await self.end()
        default: try await self.readPage()
        }
    }

    mutating func close() {
        self.log?.close()
        self.log = nil
    }

    func open() throws -> SQLiteLog { try #require(self.log) }

    mutating func check(_ isRight: Bool, _ what: @autoclosure () -> String) {
        guard !isRight, self.isGood else { return }
        self.isGood = false
        Issue.record("\(what()), \(self.seed)")
    }

    mutating func anyFilter() throws -> TopicFilter {
        let count = self.random.int(1...3)
        return try filter(
            (0..<count).map { _ in
                self.random.pick(self.random.oneIn(2) ? self.topics : self.patterns)
            }
        )
    }

    private mutating func readPage() async throws {
        let request = PageRequest(
            filter: try self.anyFilter(),
            after: self.anyID(),
            messagesMax: self.random.int(1...12),
            bytesMax: self.random.oneIn(2) ? self.random.int(1...1_000) : 1_000_000
        )
        let page = try await self.open().page(request)
        let all = try await self.oracle.page(
            PageRequest(
                filter: request.filter,
                after: request.after,
                messagesMax: .max,
                bytesMax: .max
            )
        )
        self.compare(page, with: all, request)
        self.check(
            page.removedThrough == all.removedThrough,
            "removed \(page.removedThrough ?? 0) instead of \(all.removedThrough ?? 0)"
        )
    }

    /// A page is a beginning of what there is, and says how far it goes.
    private mutating func compare(_ page: Page, with all: Page, _ request: PageRequest) {
        let ids = page.messages.map(\.id)
        let expected = all.messages.filter { $0.id <= page.through }
        let what = "after \(request.after) of \(request.filter.patterns)"
        self.check(ids == expected.map(\.id), "\(ids), \(what), through \(page.through)")
        let isSame = zip(page.messages, expected).allSatisfy { one, other in
            one.topic == other.topic && bytesAreEqual(one.data, other.data)
        }
        self.check(isSame, "content \(what)")
        self.check(page.head == self.oracle.head, "head \(page.head), \(what)")
        let goesOn = page.through > request.after || page.head <= request.after
        self.check(goesOn && page.through <= max(page.head, request.after), "through, \(what)")
        self.check(ids.count <= request.messagesMax, "\(ids.count) messages, \(what)")
        let bytes = page.messages.reduce(0) { $0 + $1.data.utf8.count }
        self.check(ids.count <= 1 || bytes <= request.bytesMax, "\(bytes) bytes, \(what)")
    }

    private mutating func readTail() async throws {
        let filter = try self.anyFilter()
        let count = self.random.int(0...4)
        let log = try self.open()
        let tail = try await log.tail(of: filter, count: count)
        if self.random.oneIn(2) { try await self.append() }
        var ids: [Int64] = []
        var cursor = tail.after
        while cursor < self.oracle.head {
            let request = PageRequest(
                filter: filter,
                after: cursor,
                messagesMax: self.random.int(1...9),
                bytesMax: 1_000_000,
                tail: tail
            )
            let page = try await log.page(request)
            ids += page.messages.map(\.id)
            guard page.through > cursor else { break }
            cursor = page.through
        }
        let selected = self.oracle.messages.filter { filter.matches($0.topic) }
        let byTopic = Dictionary(grouping: selected.filter { $0.id <= tail.end }, by: \.topic)
        let lasts =
            byTopic.values.flatMap { $0.suffix(count) } + selected.filter { $0.id > tail.end }
        let expected = lasts.map(\.id).sorted()
        self.check(ids == expected, "tail \(count) of \(filter.patterns): \(ids), not \(expected)")
    }

    private mutating func readMessage() async throws {
        let id = self.anyID()
        let found = try await self.open().message(id)
        let expected = try await self.oracle.message(id)
        self.check(found?.id == expected?.id && found?.topic == expected?.topic, "message \(id)")
    }

    /// Does what an operator does: purges a topic up to some id, or deletes it.
    private mutating func purge() async throws {
        let name = try TopicName(self.random.pick(self.topics))
        let isDeleted = self.random.oneIn(3)
        let before = isDeleted ? .max : self.anyID()
        let log = try self.open()
        let removal =
            isDeleted
            ? try await log.deleteTopic(name) : try await log.purgeTopic(name, before: before)
        let gone = self.oracle.messages.filter { $0.topic == name && $0.id < before }
        if isDeleted {
            self.check((removal != nil) == self.oracle.delete(name), "\(name) deleted")
        } else {
            self.oracle.remove { $0.topic == name && $0.id < before }
        }
        guard let removal else {
            self.check(gone.isEmpty, "\(gone.count) messages of \(name) are there, but no topic")
            return
        }
        let bytes = gone.reduce(0) { $0 + $1.data.utf8.count }
        let last = gone.last?.id ?? 0
        // What others have deleted behind the last message may be named too: it is gone as well.
        let through = gone.isEmpty ? 0...0 : last...min(before - 1, self.oracle.head)
        self.check(
            removal.messages == gone.count && removal.bytes == bytes
                && through.contains(removal.removedThrough),
            "\(removal) instead of \(gone.count) messages, \(bytes) bytes, through \(through)"
        )
        self.checkCounts(log)
    }

    private mutating func checkCounts(_ log: SQLiteLog) {
        let byTopic = Dictionary(grouping: self.oracle.messages, by: \.topic)
        let topics = log.topics
        for (index, name) in topics.names.enumerated() {
            let messages = byTopic[name] ?? []
            let bytes = messages.reduce(0) { $0 + $1.data.utf8.count }
            self.check(
                topics.messageCounts[index] == messages.count && topics.byteCounts[index] == bytes,
                "\(topics.messageCounts[index]) messages of \(name), not \(messages.count)"
            )
        }
    }

    /// Lets ids pass, mostly as many as there are in a part or a block of them.
    private mutating func useIDs() throws -> Int64 {
        guard self.oracle.head > 0, self.random.oneIn(2) else { return 0 }
        let used = self.random.pick([
            1, 8_190, 8_192, 131_071, 131_073, self.random.int(1...400_000),
        ])
        try self.folder.change("UPDATE sqlite_sequence SET seq = seq + \(used)")
        return Int64(used)
    }

    /// The id of a message, or one about it, or any.
    private mutating func anyID() -> Int64 {
        let messages = self.oracle.messages
        guard !messages.isEmpty, !self.random.oneIn(4) else {
            return Int64(self.random.int(0...Int(self.oracle.head) + 1))
        }
        return self.random.pick(messages).id + Int64(self.random.int(-1...1))
    }

    /// Closes the log, mostly removes something from its file, and opens it again.
    private mutating func reopen() throws {
        self.close()
        let last = Int(self.oracle.head)
        let from = min(self.anyID(), Int64(last))
        let through = from + Int64(self.random.int(0...last / 4))
        let step = Int64(self.random.int(1...3))
        if last > 0, !self.random.oneIn(4) {
            let isRemoved = "id BETWEEN \(from) AND \(through) AND id % \(step) = 0"
            try self.folder.change("DELETE FROM messages WHERE \(isRemoved)")
            self.oracle.remove { (from...through).contains($0.id) && $0.id % step == 0 }
        }
        let used = try self.useIDs()
        self.oracle.restart(used: used)
        let unfound = try self.folder.number(
            """
            SELECT count(*) FROM messages WHERE NOT EXISTS
            (SELECT 1 FROM topic_blocks WHERE topic = topic_id AND block = id >> 17)
            """
        )
        self.check(unfound == 0, "\(unfound ?? 0) messages in no block of their topic")
        let log = try self.folder.open()
        let head = self.oracle.head
        self.check(log.head == head, "head \(log.head) after reopening, not \(head)")
        let count = log.messageCountAtStart
        self.check(count == self.oracle.messages.count, "\(count) messages at start")
        self.checkCounts(log)
        try self.checkEnds(log)
        self.log = log
    }
}
