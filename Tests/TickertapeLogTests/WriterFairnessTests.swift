import Synchronization
import Testing
import TickertapeCore
import TickertapeLog
import TickertapeTestSupport

/// Set once, seen by all.
private final class Flag: Sendable {
    private let state = Atomic<Bool>(false)

    var isSet: Bool { self.state.load(ordering: .relaxed) }
    func set() { self.state.store(true, ordering: .relaxed) }
}

/// What operators ask for and what the log does for itself keeps no publisher waiting.
@Suite(.serialized)
struct WriterFairnessTests {
    @Test("Operators who ask without pause hold up neither publishers nor retention")
    func jobs() async throws {
        let folder = try LogFolder()
        let policy = Policy(pattern: try TopicPattern("old"), maxMessages: 1)
        try await folder.withLog { log async throws in
            for _ in 0..<20 { _ = await log.append(try (0..<50).map { _ in try draft("old") }) }
            #expect(try await log.set(policy))
            let isOver = Flag()
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<8 {
                    group.addTask {
                        while !isOver.isSet {
                            _ = try await log.create("t/\(number)")
                            _ = try await log.delete("t/\(number)")
                        }
                    }
                }
                // Comes to an end although nobody else does.
                let end = ContinuousClock.now + .seconds(30)
                group.addTask {
                    while !isOver.isSet && ContinuousClock.now < end {
                        await Task.yield()
                    }
                    isOver.set()
                }
                for number in 0..<20 {
                    #expect(await log.append(try draft("a", "\(number)")).first?.storedID != nil)
                }
                while log.topics.messageCounts.first != 1 && ContinuousClock.now < end {
                    await Task.yield()
                }
                #expect(ContinuousClock.now < end, "nothing came of it until they had ended")
                isOver.set()
                try await group.waitForAll()
            }
            #expect(log.topics.messageCounts.first == 1)
        }
    }

    @Test("Where nothing can be removed, publishes are stored", .timeLimit(.minutes(1)))
    func failingRemovals() async throws {
        let folder = try LogFolder()
        try await folder.withLog { log async throws in
            #expect(try await log.set(Policy(pattern: try TopicPattern("*"), maxMessages: 2)))
        }
        // Some rows are deleted before it fails, and FAIL itself does not bring them back.
        try folder.change(
            """
            CREATE TRIGGER failing AFTER DELETE ON messages WHEN OLD.id % 4 = 3
            BEGIN SELECT RAISE(FAIL, 'simulated'); END
            """
        )
        let data = String(repeating: "x", count: 500)
        try await folder.withLog { log async throws in
            for number in 0..<100 {
                // Each is removed from, or not, beside the messages of the next.
                let results = await log.append(
                    try (0..<8).map { _ in try draft("t\(number)", data) }
                )
                #expect(results.compactMap(\.storedID).count == 8)
                #expect(log.isWritable)
            }
            #expect(log.head == 800)
            #expect(log.statistics().refusals == 0)
            #expect(log.statistics().messagesRemoved == 0)
            #expect(try await log.page(of: "t0", "t50").messages.count == 16)
        }
        #expect(try folder.number("SELECT count(*) FROM messages") == 800)
        try folder.change("DROP TRIGGER failing")
        try await folder.withLog { log async throws in
            while log.statistics().messageCount > 200 { await Task.yield() }
        }
        #expect(try folder.number("SELECT count(*) FROM messages") == 200)
    }
}
