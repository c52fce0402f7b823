import Foundation
import Testing
import TickertapeCore
import TickertapeLog
import TickertapeTestSupport

/// What a log of files removes by itself.
@Suite(.serialized)
struct RetentionTests {
    private func policy(
        _ pattern: String,
        age: Int64? = nil,
        messages: Int64? = nil,
        bytes: Int64? = nil
    ) throws -> Policy {
        Policy(
            pattern: try TopicPattern(pattern),
            maxAgeSeconds: age,
            maxMessages: messages,
            maxBytes: bytes
        )
    }

    /// Waits until a log has nothing more to remove.
    private func settle(_ log: SQLiteLog, _ isSettled: () -> Bool) async {
        while !isSettled() { await Task.yield() }
    }

    @Test("A topic is cut to what its policy keeps, the oldest first", .timeLimit(.minutes(1)))
    func bounds() async throws {
        let folder = try LogFolder()
        try await folder.withLog { log async throws in
            // a/1: 1, 4, …, 298; a/2: 2, 5, …; b: 3, 6, ….
            for _ in 0..<100 {
                _ = await log.append(
                    try draft("a/1", "1234"),
                    try draft("a/2", "1234"),
                    try draft("b", "1234")
                )
            }
            let set = PolicySet([
                try self.policy("a/*", messages: 10), try self.policy("a/2", bytes: 82),
            ])
            let plan = try await log.plan(set)
            #expect(plan.map(\.topic.text) == ["a/1", "a/2"])
            #expect(plan.map(\.messages) == [90, 80])
            #expect(plan.map(\.bytes) == [360, 320])
            #expect(plan.map(\.removedThrough) == [268, 239])
            for policy in set.policies { #expect(try await log.set(policy)) }
            await self.settle(log) { log.topics.messageCounts == [10, 20, 100] }
            #expect(log.topics.byteCounts == [40, 80, 400])
            let page = try await log.page(of: "a/1")
            #expect(page.messages.map(\.id) == (90..<100).map { $0 * 3 + 1 })
            #expect(page.removedThrough == 268)
            #expect(try await log.plan(set).isEmpty)
            #expect(log.statistics().messagesRemoved == 170)
            #expect(log.statistics().bytesRemoved == 680)
            #expect(log.statistics().messageCount == 130)
        }
        try await folder.withLog { log async throws in
            #expect(log.topics.messageCounts == [10, 20, 100])
            #expect(log.messageCountAtStart == 130)
            let page = try await log.page(of: "a/2")
            #expect((page.messages.first?.id, page.removedThrough) == (242, 239))
        }
    }

    @Test("A topic that takes messages stays close to what its policy keeps")
    func underLoad() async throws {
        let folder = try LogFolder()
        try await folder.withLog { log async throws in
            #expect(try await log.set(try self.policy("a", messages: 100)))
            for _ in 0..<100 {
                _ = await log.append(try (0..<50).map { try draft("a", "\($0)") })
                #expect(try #require(log.topics.messageCounts.first) <= 200)
            }
        }
    }

    @Test("Old messages go, young ones stay", .timeLimit(.minutes(1)))
    func age() async throws {
        let folder = try LogFolder()
        try await folder.withLog { log async throws in
            for _ in 0..<30 { _ = await log.append(try draft("a"), try draft("b")) }
        }
        try folder.change("UPDATE messages SET time = time - 10000 WHERE id <= 40")
        try await folder.withLog { log async throws in
            let set = PolicySet([try self.policy("a", age: 9)])
            #expect(try await log.plan(set).map(\.messages) == [20])
            #expect(try await log.set(set.policies[0]))
            await self.settle(log) { log.topics.messageCounts == [10, 30] }
            #expect(try await log.known(1).first?.firstID == 41)
            // And what is young now gets old: not before its time.
            let begun = ContinuousClock.now
            #expect(try await log.set(try self.policy("b", age: 1)))
            await self.settle(log) { log.topics.messageCounts == [10, 0] }
            #expect(ContinuousClock.now - begun < .seconds(5))
        }
    }

    @Test("Counts are right after a crash, whatever was counted before", .timeLimit(.minutes(1)))
    func recount() async throws {
        var limits = Limits()
        limits.uncountedTopicMessagesMax = 10
        let folder = try LogFolder(limits)
        let copy = try LogFolder(limits)
        try await folder.withLog { log async throws in
            #expect(try await log.set(try self.policy("t/1", messages: 20)))
            for number in 0..<300 {
                _ = await log.append(
                    try draft("t/\(number % 5)", String(repeating: "é", count: number % 7))
                )
            }
            let purged = try await log.purge("t/2", before: 100)
            #expect(purged?.messages == 20)
            _ = try await log.delete("t/3")
            await self.settle(log) { log.topics.messageCounts[1] == 20 }
            // As after a power cut: the files as they are, without a close.
            for suffix in ["", "-wal"] {
                try FileManager.default.copyItem(
                    atPath: folder.databasePath + suffix,
                    toPath: copy.databasePath + suffix
                )
            }
            let (messages, bytes) = (log.topics.messageCounts, log.topics.byteCounts)
            #expect(messages == [60, 20, 40, 0, 60])
            try await copy.withLog { other async throws in
                #expect(other.topics.messageCounts == messages)
                #expect(other.topics.byteCounts == bytes)
                #expect(other.topics.deletions == [false, false, false, true, false])
                #expect(try await other.page(of: "t/2").messages.first?.id == 103)
                #expect(try await other.page(of: "t/3").messages.isEmpty)
            }
        }
        try self.expectTrueCounts(copy)
        try self.expectTrueCounts(folder)
    }

    /// Compares the counts of a closed log with its messages.
    private func expectTrueCounts(_ folder: LogFolder) throws {
        let wrong = """
            SELECT count(*) FROM topics WHERE (message_count, byte_count) IS NOT (
            SELECT count(*), coalesce(sum(length(data)), 0) FROM messages
            WHERE topic_id = topics.id AND id > purged_through)
            """
        #expect(try folder.number(wrong) == 0)
    }

    @Test("A new policy reaches every topic, some at a time", .timeLimit(.minutes(1)))
    func review() async throws {
        var limits = Limits()
        limits.reviewedTopicsMax = 7
        limits.retentionPauseMilliseconds = 1
        try await LogFolder(limits).withLog { log async throws in
            let drafts = try (0..<200).map { try draft("t/\($0 % 100)") }
            _ = await log.append(drafts)
            #expect(try await log.set(try self.policy("t/*", messages: 1)))
            #expect(try await log.set(try self.policy("t/99", messages: 2)))
            await self.settle(log) { log.statistics().messageCount == 101 }
            #expect(log.topics.messageCounts.last == 2)
        }
    }

    @Test("Counts are written also while rows of the topic are freed", .timeLimit(.minutes(1)))
    func countBesideLeftovers() async throws {
        var limits = Limits()
        limits.uncountedTopicMessagesMax = 10
        // So that rows are left the whole time.
        limits.retentionMessagesMin = 1
        limits.retentionMessagesMax = 1
        limits.retentionPauseMilliseconds = 1_000
        let folder = try LogFolder(limits)
        let copy = try LogFolder(limits)
        try await folder.withLog { log async throws in
            _ = await log.append(try (0..<1_000).map { _ in try draft("a") })
            #expect(try await log.delete("a")?.messages == 1_000)
            for _ in 0..<100 { _ = await log.append(try draft("a")) }
            for suffix in ["", "-wal"] {
                try FileManager.default.copyItem(
                    atPath: folder.databasePath + suffix,
                    toPath: copy.databasePath + suffix
                )
            }
        }
        #expect(try #require(try copy.number("SELECT min(id) FROM messages")) < 1_000)
        #expect(try #require(try copy.number("SELECT counted_through FROM topics")) > 1_080)
    }

    @Test("A log of the first schema is taken over whole")
    func migration() async throws {
        let folder = try LogFolder()
        try await folder.withLog { log async throws in
            for _ in 0..<5 { _ = await log.append(try draft("a", "éé", once: "k"), try draft("b")) }
        }
        // What the later steps did is undone.
        try folder.change(
            """
            DROP TABLE tokens; DROP TABLE policies; DROP TRIGGER messages_removed;
            ALTER TABLE topics DROP COLUMN is_deleted;
            ALTER TABLE topics DROP COLUMN purged_through;
            ALTER TABLE topics DROP COLUMN message_count;
            ALTER TABLE topics DROP COLUMN byte_count;
            ALTER TABLE topics DROP COLUMN counted_through;
            ALTER TABLE topics DROP COLUMN end_reason;
            ALTER TABLE topics DROP COLUMN end_time;
            ALTER TABLE topics DROP COLUMN end_last_id;
            CREATE TRIGGER messages_removed AFTER DELETE ON messages
            BEGIN
                UPDATE topics SET removed_through = OLD.id
                WHERE id = OLD.topic_id AND removed_through < OLD.id;
            END;
            DELETE FROM grdb_migrations WHERE identifier >= '0002';
            PRAGMA user_version = 1;
            DELETE FROM messages WHERE id = 2;
            """ + undoTopicBlocks
        )
        try await folder.withLog { log async throws in
            #expect(log.topics.names.map(\.text) == ["a", "b"])
            #expect(log.topics.messageCounts == [1, 4])
            #expect(log.topics.byteCounts == [4, 4])
            #expect(log.head == 6)
            #expect(log.policies == PolicySet())
            #expect(try await log.page(of: "b").removedThrough == 2)
            #expect(await log.append(try draft("a", "éé", once: "k")) == [.alreadyStored(id: 1)])
            #expect(try await log.delete("b")?.messages == 4)
        }
        try self.expectTrueCounts(folder)
    }

    @Test("What others delete is not counted after a restart")
    func outsiders() async throws {
        let folder = try LogFolder()
        try await folder.withLog { log async throws in
            for _ in 0..<10 { _ = await log.append(try draft("a", "12"), try draft("b")) }
        }
        try folder.change("DELETE FROM messages WHERE id IN (3, 5, 19)")
        try await folder.withLog { log async throws in
            #expect(log.topics.messageCounts == [7, 10])
            #expect(log.topics.byteCounts == [14, 10])
            _ = await log.append(try draft("a"))
            #expect(try await log.page(of: "a").removedThrough == 19)
            #expect(try await log.page(of: "a").messages.first?.id == 1, "others are still there")
        }
        try self.expectTrueCounts(folder)
    }

    @Test("The file gets smaller when much is removed", .timeLimit(.minutes(1)))
    func shrinking() async throws {
        var limits = Limits()
        limits.freePagesKept = 20
        limits.retentionPauseMilliseconds = 1
        let folder = try LogFolder(limits)
        let data = String(repeating: "x", count: 8_000)
        try await folder.withLog { log async throws in
            for _ in 0..<20 { _ = await log.append(try (0..<50).map { _ in try draft("a", data) }) }
            _ = try await log.delete("a")
            let freeBytes = { log.statistics().databaseFreeBytes }
            // Some pages are kept, and none is free before: what is in between may go unseen.
            await self.settle(log) { (1...8_192 * 20).contains(freeBytes()) }
            #expect(try await log.page(of: "a").messages.isEmpty)
        }
        #expect(try #require(try folder.number("PRAGMA page_count")) < 200)
        #expect(try folder.number("SELECT count(*) FROM messages") == 0)
    }
}
