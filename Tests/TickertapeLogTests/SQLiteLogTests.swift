import Foundation
import Testing
import TickertapeCore
import TickertapeLog
import TickertapeTestSupport

@Suite(.serialized)
struct SQLiteLogTests {
    @Test("What was stored is there after reopening, and ids go on")
    func reopening() async throws {
        let folder = try LogFolder()
        let first = try draft("a/b", "x\u{0}y", event: "ev", key: "k", once: "one")
        try await folder.withLog { log in
            #expect(log.messageCountAtStart == 0)
            _ = await log.append(first, try draft("b"))
        }
        try await folder.withLog { log in
            #expect(log.messageCountAtStart == 2)
            #expect(log.head == 2)
            expect(try await log.message(1), is: first)
            #expect(await log.append(first) == [.alreadyStored(id: 1)])
            let other = try draft("a/b", "other", once: "one")
            #expect(await log.append(other) == [.idempotencyKeyReused])
            #expect(await log.append(try draft("a/b")) == [.stored(id: 3)])
            #expect(try await log.page(of: "a/*").messages.map(\.id) == [1, 3])
        }
    }

    @Test("What the writer needs and is not there is found when the log is opened")
    func incomplete() async throws {
        let folder = try LogFolder()
        let draft = try draft("a")
        try await folder.withLog { log in _ = await log.append(draft) }
        try folder.change("ALTER TABLE idempotency RENAME TO elsewhere")
        #expect(throws: (any Error).self) { try folder.open() }
        try folder.change("ALTER TABLE elsewhere RENAME TO idempotency")
        try await folder.withLog { log in #expect(await log.append(draft) == [.stored(id: 2)]) }
    }

    @Test("Closing folds everything into the main file")
    func folding() async throws {
        let folder = try LogFolder()
        try await folder.withLog { log in
            for _ in 0..<20 { _ = await log.append(try draft("a")) }
        }
        let wal = folder.databasePath + "-wal"
        let size = try? FileManager.default.attributesOfItem(atPath: wal)[.size] as? Int
        #expect((size ?? 0) == 0)
    }

    @Test("Closing does not wait for pages that wait to be read", .timeLimit(.minutes(1)))
    func closingWithReads() async throws {
        var limits = Limits()
        limits.readerCount = 1
        let folder = try LogFolder(limits)
        let log = try folder.open()
        let goesOn = DispatchSemaphore(value: 0)
        await withCheckedContinuation { continuation in
            log.readMessage(id: 1) { _ in
                continuation.resume()
                goesOn.wait()
            }
        }
        let request = PageRequest(filter: try filter(["a"]), after: 0, messagesMax: 1, bytesMax: 1)
        let (answers, told) = AsyncStream.makeStream(of: Result<Page, LogError>.self)
        for _ in 0..<100 { log.readPage(request, for: ReadTicket()) { told.yield($0) } }
        async let closed: Void = withCheckedContinuation { continuation in
            Thread.detachNewThread {
                log.close()
                continuation.resume()
            }
        }
        for await answer in answers.prefix(100) {
            #expect(throws: LogError.closed) { try answer.get() }
        }
        goesOn.signal()
        await closed
    }

    @Test("The write-ahead log does not grow without end while messages come")
    func boundedWAL() async throws {
        var limits = Limits()
        limits.walPagesMax = 20
        let folder = try LogFolder(limits)
        let data = String(repeating: "x", count: 1_000)
        try await folder.withLog { log in
            // Several pages for each commit: some 15 MB in all.
            for _ in 0..<1_000 { _ = await log.append(try draft("a", data)) }
            let wal = folder.databasePath + "-wal"
            let size = try FileManager.default.attributesOfItem(atPath: wal)[.size] as? Int
            #expect(try #require(size) < 4_000_000)
            #expect(try await log.page(of: "a").messages.count > 200)
        }
    }

    @Test("What is removed is remembered for its topic only")
    func removal() async throws {
        let folder = try LogFolder()
        try await folder.withLog { log in
            // a: 1, 3, 5; b: 2, 4, 6.
            for _ in 0..<3 { _ = await log.append(try draft("a"), try draft("b")) }
        }
        try folder.change("DELETE FROM messages WHERE id = 3 OR id = 1")
        try await folder.withLog { log in
            #expect(log.messageCountAtStart == 4)
            #expect(try await log.message(3) == nil)
            for after in Int64(0)...2 {
                let page = try await log.page(of: "a", after: after)
                #expect(page.messages.map(\.id) == [5])
                #expect(page.removedThrough == 3)
                #expect(try await log.page(of: "*", after: after).removedThrough == 3)
                #expect(try await log.page(of: "b", after: after).removedThrough == nil)
            }
            #expect(try await log.page(of: "a", after: 3).removedThrough == nil)
        }
    }

    @Test("The id of a removed message is not given again, and the head stays")
    func noReuse() async throws {
        let folder = try LogFolder()
        let first = try draft("a", "x", once: "one")
        try await folder.withLog { log in
            _ = await log.append(first, try draft("a"), try draft("b"), try draft("a"))
        }
        try folder.change("DELETE FROM messages WHERE id > 1")
        try await folder.withLog { log in
            #expect(log.head == 4)
            let page = try await log.page(of: "b")
            #expect(page.messages.isEmpty)
            #expect((page.through, page.head, page.removedThrough) == (4, 4, 3))
            #expect(await log.append(try draft("b")) == [.stored(id: 5)])
        }
        try folder.change("DELETE FROM messages")
        try await folder.withLog { log in
            #expect(log.head == 5)
            #expect(try await log.page(of: "**").removedThrough == 5)
            let tail = try await log.tail(of: "**", count: 3)
            #expect((tail.after, tail.end) == (5, 5))
            #expect(await log.append(first) == [.alreadyStored(id: 1)], "its key is kept")
            #expect(await log.append(try draft("c")) == [.stored(id: 6)])
        }
    }

    @Test("Time does not go back when the clock does")
    func time() async throws {
        let folder = try LogFolder()
        try await folder.withLog { log in _ = await log.append(try draft("a")) }
        let future: Int64 = 9_000_000_000_000
        try folder.change("UPDATE messages SET time = \(future)")
        try await folder.withLog { log in
            _ = await log.append(try draft("b"))
            #expect(try await log.message(2)?.timeMilliseconds == future)
        }
    }

    @Test("A key is forgotten after a day, not before")
    func expiry() async throws {
        let folder = try LogFolder()
        let one = try draft("a", "x", once: "one")
        let two = try draft("a", "x", once: "two")
        try await folder.withLog { log in _ = await log.append(one, two) }
        let hour = 3_600_000
        try folder.change("UPDATE idempotency SET time = time - \(23 * hour) WHERE key = 'one'")
        try folder.change("UPDATE idempotency SET time = time - \(25 * hour) WHERE key = 'two'")
        try await folder.withLog { log in
            #expect(await log.append(one, two) == [.alreadyStored(id: 1), .stored(id: 3)])
            #expect(await log.append(two) == [.alreadyStored(id: 3)])
        }
    }

    @Test("Expired keys are removed at least as fast as keys come")
    func pruning() async throws {
        var limits = Limits()
        limits.idempotencyPruneCount = 10
        limits.batchMessagesMax = 50
        let folder = try LogFolder(limits)
        try await folder.withLog { log in
            for batch in 0..<20 {
                _ = await log.append(try (0..<50).map { try draft("a", once: "\(batch) \($0)") })
            }
        }
        try folder.change("UPDATE idempotency SET time = time - \(25 * 3_600_000)")
        try await folder.withLog { log in
            // Each but the first removes a hundred.
            for batch in 0..<12 {
                _ = await log.append(try (0..<50).map { try draft("b", once: "\(batch) \($0)") })
            }
        }
        #expect(try folder.number("SELECT count(*) FROM idempotency") == 12 * 50)
    }

    @Test("A transaction that fails stores nothing, uses up its ids, and the log recovers")
    func failure() async throws {
        let folder = try LogFolder()
        try await folder.withLog { log in _ = await log.append(try draft("a")) }
        try folder.change(
            """
            CREATE TRIGGER broken BEFORE INSERT ON messages WHEN NEW.data = CAST('bad' AS BLOB)
            BEGIN SELECT RAISE(ABORT, 'simulated'); END
            """
        )
        try await folder.withLog { log in
            let told = Told()
            told.listen(to: log)
            let good = try draft("new", "good", once: "one")
            let bad = try draft("a", "bad")
            let results = await log.append(good, bad, good)
            #expect(results == Array(repeating: .failed(.unavailable("simulated")), count: 3))
            #expect(!log.isWritable)
            #expect(told.events.isEmpty)
            #expect(log.head == 1)
            #expect(try await log.page(of: "**").messages.map(\.id) == [1])
            let id = try #require(await log.append(good).first?.storedID, "its key was not kept")
            #expect(id > 1)
            #expect(log.isWritable)
            #expect(try await log.page(of: "new").messages.map(\.id) == [id])
            #expect(told.events == [.batch([id])])
        }
    }

    @Test("The queue is bounded in bytes too")
    func queueBytes() async throws {
        var limits = Limits()
        let draft = try draft("a", String(repeating: "x", count: 1_000))
        let tiny = try TickertapeLogTests.draft("b", "")
        limits.queueBytesMax = draft.bytes * 3
        try await LogFolder(limits).withLog { log in
            #expect((0..<4).map { _ in log.admit(draft) } == [true, true, true, false])
            #expect(!log.admit(tiny))
            #expect(log.statistics().refusals == 2)
            #expect(!log.admit(tiny, asksAgain: true))
            #expect(log.statistics().refusals == 2, "who waits is not refused")
        }
    }

    @Test("A transaction takes what waits up to its bounds")
    func batches() async throws {
        var limits = Limits()
        limits.batchMessagesMax = 3
        let told = Told()
        try await LogFolder(limits).withLog { log in
            told.listen(to: log)
            for call in 0..<60 {
                let drafts = try (0...call % 2).map { try draft("a", "\($0)") }
                for draft in drafts { precondition(log.admit(draft)) }
                log.append(drafts) { _ in }
            }
            _ = await log.append(try (0..<5).map { try draft("b", "\($0)") })
        }
        #expect(told.batches.dropLast().allSatisfy { $0.messages.count <= 3 })
        #expect(told.batches.last?.messages.map(\.topic.text) == Array(repeating: "b", count: 5))
        #expect(told.messages.count == 95)
    }
}
