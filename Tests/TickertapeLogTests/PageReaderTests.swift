import GRDB
import Synchronization
import Testing
import TickertapeCore

@testable import TickertapeLog

@Suite(.serialized)
struct PageReaderTests {
    private static let topics = (1...10).map { "t/\($0)" }

    /// What one tail does with the database, and what it finds.
    private func tail(
        _ limits: Limits,
        for ticket: ReadTicket = ReadTicket(),
        atEach observe: @escaping @Sendable (String) -> Void = { _ in }
    ) async throws -> (tail: TailStart, transactionCount: Int) {
        let folder = try LogFolder(limits)
        try await folder.withLog { log in
            for topic in Self.topics { _ = await log.append(try draft(topic)) }
        }
        let shared = LogShared(head: Int64(Self.topics.count), limits: limits)
        for (number, topic) in zip(Int64(1)..., Self.topics) {
            shared.catalog.add(try TopicName(topic), number: number, lastID: number)
        }
        let begun = Mutex(0)
        let queue = try DatabaseFile.openReader(folder.databasePath)
        let tail = try queue.inDatabase { database in
            let reader = try PageReader(database, shared: shared, limits: limits)
            database.trace { event in
                observe("\(event)")
                if "\(event)" == "BEGIN" { begun.withLock { $0 += 1 } }
            }
            defer { database.trace(options: []) }
            return try reader.findTail(
                of: try filter(["**"]),
                count: 1,
                upTo: shared.head.load(ordering: .relaxed),
                for: ticket
            )
        }
        try queue.close()
        return (tail, begun.withLock { $0 })
    }

    @Test("The tails of very many topics are not found in one long transaction")
    func transactions() async throws {
        var limits = Limits()
        limits.tailTopicsMax = 4
        let (tail, transactionCount) = try await self.tail(limits)
        #expect(transactionCount == 3)
        #expect(tail.firstIDs == Dictionary(uniqueKeysWithValues: (1...10).map { ($0, $0) }))
        #expect((tail.after, tail.end) == (0, 10))
    }

    @Test("A tail that nobody waits for any more ends with its transaction")
    func givenBack() async throws {
        var limits = Limits()
        limits.tailTopicsMax = 4
        let ticket = ReadTicket()
        let (_, transactionCount) = try await self.tail(limits, for: ticket) { sql in
            if sql == "BEGIN" { ticket.giveBack() }
        }
        #expect(transactionCount == 1)
    }
}
