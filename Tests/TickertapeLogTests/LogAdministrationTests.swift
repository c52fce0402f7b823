import Foundation
import Synchronization
import Testing
import TickertapeCore
import TickertapeLog
import TickertapeTestSupport

/// What operators do to a log of files, and what everybody sees of it.
@Suite(.serialized)
struct LogAdministrationTests {
    @Test("A topic is created once, without messages, and can be deleted and be there again")
    func creation() async throws {
        let folder = try LogFolder()
        let name = try TopicName("a")
        try await folder.withLog { log async throws in
            #expect(try await log.create("a"))
            #expect(try await !log.create("a"))
            #expect(log.topics.names == [name])
            #expect(log.topics.lastIDs == [0])
            #expect(try await log.delete("a")?.messages == 0)
            #expect(try await log.delete("a") == nil)
            #expect(log.topics.deletions == [true])
            #expect(log.statistics().topicCount == 0)
            #expect(try await log.create("a"), "it had been deleted")
            #expect(log.topics.deletions == [false])
            #expect(try await log.delete("a") != nil)
        }
        try await folder.withLog { log async throws in
            #expect(log.topics.deletions == [true])
            #expect(await log.append(try draft("a"), try draft("a")).count == 2)
            #expect(log.topics.deletions == [false])
            #expect(log.topics.numbers == [1], "it keeps its number")
        }
        try await folder.withLog { log async throws in #expect(log.topics.deletions == [false]) }
    }

    @Test("Deleted messages are gone on every way to read, at once and after a restart")
    func deletion() async throws {
        for merged in [0, 32] {
            var limits = Limits()
            limits.mergedTopicsMax = merged
            let folder = try LogFolder(limits)
            let name = try TopicName("a")
            try await folder.withLog { log async throws in
                // a: 1, 3, 5; b: 2, 4, 6.
                for _ in 0..<3 { _ = await log.append(try draft("a", "12"), try draft("b")) }
                let told = Told()
                told.listen(to: log)
                let removal = try #require(try await log.delete("a"))
                #expect(
                    removal
                        == TopicRemoval(topic: name, messages: 3, bytes: 6, removedThrough: 5)
                )
                #expect(told.removals == ["deleted a 5"])
                try await self.expectDeleted(log)
            }
            try await folder.withLog { log async throws in
                try await self.expectDeleted(log)
                #expect(await log.append(try draft("a")) == [.stored(id: 7)])
                let page = try await log.page(of: "a")
                #expect(page.messages.map(\.id) == [7])
                #expect(page.removedThrough == 5)
                #expect(log.topics.messageCounts == [1, 3])
            }
            #expect(try folder.number("SELECT count(*) FROM messages") == 4)
        }
    }

    private func expectDeleted(_ log: SQLiteLog) async throws {
        for after in Int64(0)..<5 {
            let page = try await log.page(of: "a", after: after)
            #expect(page.messages.isEmpty)
            #expect((page.through, page.removedThrough) == (6, 5))
        }
        #expect(try await log.page(of: "a", after: 5).removedThrough == nil)
        #expect(try await log.page(of: "**").messages.map(\.id) == [2, 4, 6])
        let tail = try await log.tail(of: "*", count: 2)
        #expect(
            try await log.page(of: "*", after: tail.after, tail: tail).messages.map(\.id) == [4, 6]
        )
        #expect(try await log.message(3) == nil)
        #expect(try await log.message(4) != nil)
        #expect(log.topics.messageCounts == [0, 3])
        #expect(log.topics.byteCounts == [0, 3])
        let details = try await log.known(1, 2)
        #expect(details[0].firstID == nil && details[0].removedThrough == 5)
        #expect(details[1].firstID == 2 && details[1].removedThrough == 0)
    }

    @Test("A filter has ended when all its topics are deleted, and until one is there again")
    func ended() async throws {
        func filter(_ patterns: String...) throws -> TopicFilter {
            TopicFilter(try patterns.map { try TopicPattern($0) })
        }
        let (one, two) = (try filter("a"), try filter("a", "b"))
        let folder = try LogFolder()
        try await folder.withLog { log async throws in
            #expect(await log.append(try draft("a"), try draft("b")).count == 2)
            #expect(log.end(of: one) == nil)
            _ = try await log.deleteTopic(try TopicName("a"))
            #expect(log.end(of: one) != nil)
            #expect(log.end(of: two) == nil)
            _ = try await log.deleteTopic(try TopicName("b"))
            #expect(log.end(of: two) != nil)
            for patterns in [["*"], ["a", "*"], ["never"], ["a", "never"]] {
                let other = TopicFilter(try patterns.map { try TopicPattern($0) })
                #expect(log.end(of: other) == nil, "\(patterns)")
            }
        }
        try await folder.withLog { log async throws in
            #expect(log.end(of: two) != nil, "also after a restart")
            #expect(await log.append(try draft("b")) == [.stored(id: 3)])
            #expect(log.end(of: two) == nil)
            #expect(try await log.createTopic(try TopicName("a")))
            #expect(log.end(of: one) == nil)
        }
    }

    @Test("A purge removes what comes before an id, and says how much that was")
    func purging() async throws {
        let folder = try LogFolder()
        try await folder.withLog { log async throws in
            // a: 1, 3, 5, 7; b: 2, 4, 6, 8.
            for number in 1...4 {
                _ = await log.append(
                    try draft("a", String(repeating: "x", count: number)),
                    try draft("b")
                )
            }
            let told = Told()
            told.listen(to: log)
            #expect(try await log.purge("c", before: 5) == nil)
            let table:
                [(before: Int64, messages: Int64, bytes: Int64, through: Int64, left: [Int64])] = [
                    (.min, 0, 0, 0, [1, 3, 5, 7]), (1, 0, 0, 0, [1, 3, 5, 7]),
                    (3, 1, 1, 1, [3, 5, 7]),
                    (3, 0, 0, 0, [3, 5, 7]), (7, 2, 5, 5, [7]), (.max, 1, 4, 7, []),
                    (.max, 0, 0, 0, []),
                ]
            #expect(try await log.planPurge(try TopicName("c"), before: 5) == nil)
            for row in table {
                let plan = try await log.planPurge(try TopicName("a"), before: row.before)
                let removal = try #require(try await log.purge("a", before: row.before))
                #expect(plan == removal)
                #expect(removal.messages == row.messages)
                #expect(removal.bytes == row.bytes)
                #expect(removal.removedThrough == row.through)
                let page = try await log.page(of: "a")
                #expect(page.messages.map(\.id) == row.left)
                #expect(log.topics.messageCounts == [Int64(row.left.count), 4])
            }
            #expect(told.removals == ["purged a 1", "purged a 5", "purged a 7"])
            #expect(log.topics.deletions == [false, false])
        }
        try await folder.withLog { log async throws in
            #expect(try await log.page(of: "a").removedThrough == 7)
            #expect(log.topics.messageCounts == [0, 4])
            #expect(log.topics.lastIDs == [7, 8])
        }
    }

    @Test("Whoever removes, and whenever, each message is counted once", .timeLimit(.minutes(1)))
    func overlappingRemovals() async throws {
        var limits = Limits()
        // So that counting takes several looks, and others come in between.
        limits.pageRowsExaminedMax = 10
        let folder = try LogFolder(limits)
        let policy = Policy(pattern: try TopicPattern("*"), maxMessages: 700)
        try await folder.withLog { log async throws in
            let isSet = try await log.set(policy)
            #expect(isSet)
            let removed = try await withThrowingTaskGroup(of: Int64.self) { group in
                group.addTask {
                    for _ in 0..<60 {
                        _ = await log.append(try (0..<25).map { try draft("a", "\($0)") })
                    }
                    return 0
                }
                for number in 1...40 {
                    group.addTask {
                        while log.head < number * 35 { await Task.yield() }
                        if number % 13 == 0 { return try await log.delete("a")?.messages ?? 0 }
                        let before = Int64(number) * 30
                        return try await log.purge("a", before: before)?.messages ?? 0
                    }
                }
                return try await group.reduce(0, +)
            }
            while try #require(log.topics.messageCounts.first) > 700 { await Task.yield() }
            let left = try #require(log.topics.messageCounts.first)
            #expect(log.statistics().messagesRemoved + left == 1_500)
            #expect(removed <= log.statistics().messagesRemoved)
            let page = try await log.page(of: "a")
            #expect(page.messages.count == left)
        }
    }

    @Test("Times and ids lead to each other")
    func times() async throws {
        let folder = try LogFolder()
        try await folder.withLog { log async throws in
            for _ in 0..<6 { _ = await log.append(try draft("a")) }
            #expect(try await log.first(atOrAfter: 0) == 1)
            #expect(try await log.first(atOrAfter: .max) == 7)
        }
        try folder.change("UPDATE messages SET time = id * 10")
        try folder.change("DELETE FROM messages WHERE id IN (1, 4)")
        try await folder.withLog { log async throws in
            let table: [(time: Int64, id: Int64)] = [
                (.min, 2), (20, 2), (21, 3), (30, 3), (31, 5), (50, 5), (51, 6), (60, 6), (61, 7),
            ]
            for row in table {
                #expect(try await log.first(atOrAfter: row.time) == row.id, "\(row.time)")
            }
            #expect(try await log.next(after: 0) == 20)
            #expect(try await log.next(after: 3) == 50)
            #expect(try await log.next(after: 6) == nil)
        }
    }

    @Test("A closed log takes nothing from operators")
    func closed() async throws {
        let log = try LogFolder().open()
        _ = await log.append(try draft("a"))
        log.close()
        await #expect(throws: LogError.closed) { try await log.create("a") }
        await #expect(throws: LogError.closed) { try await log.purge("a", before: 1) }
        await #expect(throws: LogError.closed) { try await log.known() }
        await #expect(throws: LogError.closed) { try await log.first(atOrAfter: 0) }
    }
}
