import Synchronization
import Testing
import TickertapeCore
import TickertapeLog
import TickertapeTestSupport

/// Publishes again with each answer, so that the writer always has a message waiting.
private final class EndlessPublisher: Sendable {
    private let log: any MessageLog
    private let draft: Draft
    private let isOver = Atomic<Bool>(false)

    init(_ log: any MessageLog, _ draft: Draft) {
        self.log = log
        self.draft = draft
    }

    func stop() { self.isOver.store(true, ordering: .relaxed) }

    func publish() {
        guard !self.isOver.load(ordering: .relaxed) else { return }
        precondition(self.log.admit(self.draft), "there is room")
        self.log.append([self.draft]) { results in
            if results[0].storedID != nil { self.publish() }
        }
    }
}

/// Topics of a log of files that are deleted some time after they have ended.
@Suite(.serialized)
struct EndedTopicsTests {
    private func policy(_ pattern: String, endedAfter seconds: Int64?) throws -> Policy {
        Policy(pattern: try TopicPattern(pattern), removesEndedAfterSeconds: seconds)
    }

    /// Waits until something is so.
    private func settle(_ isSettled: () -> Bool) async {
        while !isSettled() { await Task.yield() }
    }

    @Test("What ended long enough ago is deleted, and nothing else", .timeLimit(.minutes(1)))
    func deletion() async throws {
        let folder = try LogFolder()
        let (old, all) = (try filter(["t/old"]), try filter(["t/old", "t/empty"]))
        let policy = try self.policy("t/*", endedAfter: 60)
        #expect(policy.hasRetention)
        try await folder.withLog { log async throws in
            // Ids 1 to 4.
            for topic in ["t/old", "t/old", "t/young", "t/open"] {
                _ = await log.append(try draft(topic, "12"))
            }
            for topic in ["t/old", "t/young", "t/empty", "other"] {
                #expect(await log.append(try ending(topic)).allSatisfy { $0.isDone })
            }
        }
        try folder.change(
            "UPDATE topics SET end_time = end_time - 61000 WHERE name IN ('t/old', 't/empty', 'other')"
        )
        try await folder.withLog { log async throws in
            let told = Told()
            told.listen(to: log)
            let plan = try await log.plan(PolicySet([policy]))
            #expect(plan.map(\.topic.text) == ["t/old", "t/empty"])
            #expect(plan.map(\.messages) == [2, 0])
            #expect(plan.map(\.bytes) == [4, 0])
            #expect(plan.map(\.removedThrough) == [2, 0])
            #expect(try await log.set(policy))
            await self.settle { told.removals.count == 2 }
            #expect(told.removals == ["deleted t/old 2", "deleted t/empty 0"])
            #expect(log.topics.deletions == [true, false, false, true, false])
            #expect(log.topics.messageCounts == [0, 1, 1, 0, 0])
            #expect(log.end(of: old)?.last.reason == .deleted)
            #expect(log.end(of: all)?.lastID == 0)
            #expect(try await log.page(of: "t/old").messages.isEmpty)
            #expect(try await log.page(of: "t/old").removedThrough == 2)
            #expect(log.statistics().messagesRemoved == 2)
            #expect(log.statistics().topicCount == 3)
            #expect(try await log.plan(PolicySet([policy])).isEmpty)
            await self.settle { log.statistics().topicsDue == 0 }
            #expect(await log.append(try draft("t/old")) == [.stored(id: 5)], "it is there again")
        }
        #expect(try folder.number("SELECT count(*) FROM messages WHERE id <= 2") == 0)
        try await folder.withLog { log async throws in
            #expect(log.policies == PolicySet([policy]))
            #expect(log.topics.messageCounts == [1, 1, 1, 0, 0])
            #expect(log.topics.ends.keys.sorted() == [2, 5])
        }
    }

    @Test("Time passes, restarts or not; a topic that is reopened stays", .timeLimit(.minutes(1)))
    func time() async throws {
        let folder = try LogFolder()
        let policy = try self.policy("*", endedAfter: 2)
        try await folder.withLog { log async throws in
            #expect(try await log.set(policy))
            for topic in ["a", "b"] {
                _ = await log.append(try draft(topic, end: .withMessage))
            }
            #expect(try await log.reopen("b") == true)
            #expect(log.topics.deletions == [false, false])
        }
        try await folder.withLog { log async throws in
            let ended = try #require(log.topics.ends[1]).timeMilliseconds
            await self.settle { log.topics.isDeleted(0) }
            #expect(wallClockMilliseconds() - ended >= 2_000)
            #expect(log.topics.deletions == [true, false])
            #expect(await log.append(try draft("b")) == [.stored(id: 3)])
            // What ends while the broker runs goes as well.
            #expect(try await log.end("b") != nil)
            await self.settle { log.topics.isDeleted(1) }
        }
    }

    @Test("Thousands that are due at once hold up no publisher", .timeLimit(.minutes(2)))
    func load() async throws {
        let count = 6_000
        let folder = try LogFolder()
        try await folder.withLog { log async throws in
            for start in stride(from: 0, to: count, by: 500) {
                _ = await log.append(
                    try (start..<start + 500).map { try draft("t/\($0)", end: .withMessage) }
                )
            }
        }
        try folder.change("UPDATE topics SET end_time = end_time - 61000")
        try await folder.withLog { log async throws in
            let told = Told()
            told.listen(to: log)
            #expect(try await log.set(try self.policy("t/*", endedAfter: 60)))
            let publisher = EndlessPublisher(log, try draft("live"))
            publisher.publish()
            await self.settle { told.removals.count == count }
            publisher.stop()
            #expect(log.topics.deletedCount == count)
            // Never idle, the writer deletes between two batches what fits beside one message.
            var longest = 0
            var run = 0
            for event in told.events {
                if case .removal = event { run += 1 } else { run = 0 }
                longest = max(longest, run)
            }
            #expect((1...10).contains(longest), "\(longest)")
            await self.settle { log.statistics().topicsDue == 0 }
        }
        #expect(try folder.number("SELECT count(*) FROM messages WHERE id <= \(count)") == 0)
        #expect(try folder.number("SELECT count(*) FROM topics WHERE is_deleted") == count)
    }

    @Test("A deletion that cannot be written is tried again later", .timeLimit(.minutes(1)))
    func failure() async throws {
        let folder = try LogFolder()
        try await folder.withLog { log async throws in
            _ = await log.append(try draft("a", end: .withMessage))
            #expect(try await log.set(try self.policy("*", endedAfter: 1)))
        }
        try folder.change(
            """
            UPDATE topics SET end_time = end_time - 60000;
            CREATE TABLE allowed (x);
            CREATE TRIGGER stuck BEFORE UPDATE OF is_deleted ON topics
            WHEN NOT EXISTS (SELECT * FROM allowed)
            BEGIN SELECT RAISE(ABORT, 'simulated'); END
            """
        )
        try await folder.withLog { log async throws in
            let told = Told()
            told.listen(to: log)
            let end = ContinuousClock.now + .seconds(1)
            while ContinuousClock.now < end {
                #expect(await log.append(try draft("b")).first?.storedID != nil)
            }
            #expect(told.removals.isEmpty)
            #expect(log.topics.deletions == [false, false])
            #expect(log.topics.endedCount == 1)
            try folder.change("INSERT INTO allowed VALUES (1)")
            await self.settle { !told.removals.isEmpty }
            #expect(told.removals == ["deleted a 1"])
            #expect(log.topics.deletions == [true, false])
        }
    }
}
