import GRDB
import Testing
import TickertapeCore
import TickertapeTestSupport

@testable import TickertapeLog

@Suite("How the messages of one topic are found")
struct TopicMessagesTests {
    /// Lets so many ids pass.
    private func use(_ ids: Int, _ folder: LogFolder) throws {
        try folder.change("UPDATE sqlite_sequence SET seq = seq + \(ids) WHERE name = 'messages'")
    }

    private let blocks = "SELECT count(*) FROM topic_blocks"

    /// Fills a log with messages of two topics that are some, many and very many ids apart.
    private func fill(_ folder: LogFolder) async throws -> [Int64] {
        var ids: [Int64] = []
        for used in [0, 5, 9_000, 200_000, 5_000_000, 1] {
            if used > 0 { try self.use(used, folder) }
            try await folder.withLog { log in
                for result in await log.append(try draft("a"), try draft("b"), try draft("a")) {
                    if case .stored(let id) = result { ids.append(id) }
                }
            }
        }
        return ids
    }

    @Test("Nothing is sorted, and the log is not searched through", arguments: [true, false])
    func plans(newestFirst: Bool) async throws {
        let folder = try LogFolder()
        try await folder.withLog { _ in }
        let queue = try DatabaseQueue(path: folder.databasePath)
        let sql = TopicMessages.select("id, data", newestFirst: newestFirst, isLimited: true)
        let steps = try await queue.read { database in
            try Row.fetchAll(
                database,
                sql: "EXPLAIN QUERY PLAN \(sql)",
                arguments: [1, 0, 100, 10]
            ).map { row -> String in row["detail"] }
        }
        #expect(
            steps == [
                "SEARCH topic_blocks USING PRIMARY KEY (topic=? AND block>? AND block<?)",
                "SCAN block_parts",
                "SEARCH messages USING INDEX messages_by_part "
                    + "(<expr>=? AND topic_id=? AND rowid>? AND rowid<?)",
            ]
        )
    }

    @Test("However far apart they are, all come, in order, from any cursor, and the last few")
    func apart() async throws {
        let folder = try LogFolder()
        let ids = try await self.fill(folder)
        let ofA = ids.enumerated().filter { $0.offset % 3 != 1 }.map(\.element)
        try await folder.withLog { log async throws in
            for cursor in [0] + ofA + ofA.map({ $0 - 1 }) + [ids[17] + 1] {
                let page = try await log.page(of: "a", after: cursor)
                #expect(page.messages.map(\.id) == ofA.filter { $0 > cursor })
                let both = try await log.page(of: "a", "b", after: cursor)
                #expect(both.messages.map(\.id) == ids.filter { $0 > cursor })
            }
            for count in 0...ofA.count + 1 {
                let tail = try await log.tail(of: "a", count: count)
                #expect(tail.after == (ofA.suffix(count).first ?? ids[17] + 1) - 1, "\(count)")
            }
            #expect(log.topics.messageCounts == [12, 6])
        }
    }

    @Test("A topic is noted once a block, also after a restart and an atomic batch that was undone")
    func notes() async throws {
        let folder = try LogFolder()
        _ = try await self.fill(folder)
        // a and b, in the blocks 0, 1, 39.
        #expect(try folder.number(self.blocks) == 6)
        try self.use(131_072, folder)
        try await folder.withLog { log async throws in
            let failing = Draft(
                topic: try TopicName("a"),
                data: "x",
                condition: .lastIDIsOneOf([1])
            )
            #expect(
                await log.append([try draft("a"), failing], atomic: true).allSatisfy { !$0.isDone }
            )
            #expect(await log.append(try draft("a")).allSatisfy(\.isDone))
            #expect(await log.append(try draft("a"), try draft("c")).allSatisfy(\.isDone))
            #expect(try await log.page(of: "a", "c").messages.count == 15)
        }
        #expect(try folder.number(self.blocks) == 8)
    }

    @Test(
        "Blocks in which a topic has nothing any more are forgotten, not that of its last message"
    )
    func forgotten() async throws {
        let folder = try LogFolder()
        let ids = try await self.fill(folder)
        try await folder.withLog { log async throws in
            #expect(try await log.purge("a", before: ids[15])?.messages == 10)
            #expect(try await log.delete("b")?.messages == 6)
            while log.statistics().topicsDue > 0 { await Task.yield() }
            #expect(try await log.page(of: "a").messages.map(\.id) == [ids[15], ids[17]])
            // The same block again.
            #expect(await log.append(try draft("b")).allSatisfy(\.isDone))
            #expect(try await log.page(of: "b").messages.count == 1)
        }
        #expect(try folder.number(self.blocks) == 2)
        #expect(try folder.number("SELECT count(*) FROM messages") == 3)
    }

    @Test("A topic that enters a block is noted, between two transactions or in the middle of one")
    func crossing() async throws {
        for isOne in [true, false] {
            let folder = try LogFolder()
            try await folder.withLog { log in _ = await log.append(try draft("b")) }
            try self.use(131_072 - 4, folder)
            let drafts = try (0..<6).map { try draft($0 == 4 ? "b" : "a") }
            try await folder.withLog { log async throws in
                if isOne { _ = await log.append(drafts) }
                for draft in drafts where !isOne { _ = await log.append(draft) }
                let ids: [Int64] = [131_070, 131_071, 131_072, 131_073, 131_075]
                #expect(try await log.page(of: "a").messages.map(\.id) == ids)
                #expect(try await log.page(of: "b").messages.map(\.id) == [1, 131_074])
                #expect(try await log.tail(of: "a", count: 4).after == 131_070)
            }
            #expect(try folder.number(self.blocks) == 4)
        }
    }

    @Test("A log of the fourth schema has its messages found as before")
    func migration() async throws {
        let folder = try LogFolder()
        let ids = try await self.fill(folder)
        try folder.change(
            """
            DELETE FROM grdb_migrations WHERE identifier >= '0005';
            PRAGMA user_version = 4;
            """ + undoTopicBlocks
        )
        try await folder.withLog { log async throws in
            #expect(try await log.page(of: "a", "b").messages.map(\.id) == ids)
            #expect(await log.append(try draft("a")) == [.stored(id: ids[17] + 1)])
            #expect(try await log.page(of: "a", after: ids[14]).messages.count == 3)
        }
        #expect(try folder.number(self.blocks) == 6)
    }
}
