import Testing
import TickertapeCore
import TickertapeLog
import TickertapeTestSupport

/// What every log promises about topics that end.
extension MessageLogContract {
    private static func end(_ log: any MessageLog, of patterns: String...) throws -> FilterEnd? {
        log.end(of: try filter(patterns))
    }

    static func lastMessages(_ log: any MessageLog) async throws {
        let told = Told()
        told.listen(to: log)
        #expect(await log.append(try draft("a"), try draft("b")).count == 2)
        #expect(try self.end(log, of: "a") == nil)
        let last = try draft("a", "bye", once: "one", end: .withMessage)
        #expect(await log.append(last) == [.stored(id: 3)])
        let ended = try TickertapeLogTests.end("a", at: 3)
        let found = try #require(try self.end(log, of: "a"))
        #expect(found.last.withoutTime == ended)
        #expect(found.lastID == 3)
        let refused = [
            try draft("a"), try draft("a", once: "two"), try draft("a", end: .withMessage),
            try draft("a", condition: .hasNoMessage), try draft("a", condition: .hasMessage),
        ]
        for draft in refused {
            #expect(await log.append(draft).withoutTimes == [.topicEnded(ended)])
        }
        let other = try draft("a", "other", once: "one")
        #expect(await log.append(last, other) == [.alreadyStored(id: 3), .idempotencyKeyReused])
        let stopping = try ending("a", .stopped)
        #expect(await log.append(stopping).withoutTimes == [.ended(ended)], "it stays as it was")
        #expect(log.head == 3)
        #expect(told.events == [.batch([1, 2]), .batch([3]), .ended(ended)])
        #expect(try await log.page(of: "a").messages.map(\.id) == [1, 3])
        #expect(await log.append(try draft("b")) == [.stored(id: 4)], "others go on")
    }

    static func endsWithoutMessage(_ log: any MessageLog) async throws {
        let told = Told()
        told.listen(to: log)
        #expect(await log.append(try draft("a")) == [.stored(id: 1)])
        let (first, second) = (
            try TickertapeLogTests.end("a", .stopped, at: 1),
            try TickertapeLogTests.end("new", at: 0)
        )
        #expect(
            await log.append(try ending("a", .stopped)).withoutTimes == [.ended(first)]
        )
        #expect(await log.append(try ending("new")).withoutTimes == [.ended(second)])
        #expect(told.events == [.batch([1]), .ended(first), .ended(second)], "nothing is a batch")
        #expect(log.head == 1)
        #expect(try self.end(log, of: "new")?.lastID == 0)
        #expect(await log.append(try draft("new")).withoutTimes == [.topicEnded(second)])
        #expect(try await log.page(of: "**").messages.map(\.id) == [1])
    }

    /// Everything in one transaction: what it holds counts for what comes after.
    static func endsOfOneTransaction(_ log: any MessageLog) async throws {
        let told = Told()
        told.listen(to: log)
        let drafts = [
            try draft("a"), try ending("b", .stopped), try draft("a", end: .withMessage),
            try draft("a"), try draft("b"), try ending("a", .stopped), try draft("c"),
            try ending("c"),
        ]
        await withCheckedContinuation { continuation in
            for draft in drafts { precondition(log.admit(draft)) }
            log.append(drafts) { results in
                told.answered(0, results.withoutTimes)
                continuation.resume()
            }
        }
        let (a, b, c) = (
            try TickertapeLogTests.end("a", at: 2),
            try TickertapeLogTests.end("b", .stopped, at: 0),
            try TickertapeLogTests.end("c", at: 3)
        )
        let results: [AppendResult] = [
            .stored(id: 1), .ended(b), .stored(id: 2), .topicEnded(a), .topicEnded(b), .ended(a),
            .stored(id: 3), .ended(c),
        ]
        #expect(
            told.events == [
                .batch([1, 2, 3]), .ended(b), .ended(a), .ended(c), .results(0, results),
            ]
        )
    }

    static func endsOfFilters(_ log: any MessageLog) async throws {
        let news = Told()
        news.listen(to: log)
        _ = await log.append(try draft("a"), try draft("b"), try draft("c"))
        _ = await log.append(try draft("c", end: .withMessage))
        _ = await log.append(try ending("a", .stopped))
        let table: [(patterns: [String], last: String?, lastID: Int64)] = [
            (["a"], "a", 1), (["c"], "c", 4), (["a", "c"], "a", 4), (["c", "a"], "a", 4),
            (["b"], nil, 0), (["a", "b"], nil, 0), (["never"], nil, 0), (["a", "never"], nil, 0),
            (["*"], nil, 0), (["a", "a/*"], nil, 0), (["**"], nil, 0),
        ]
        for row in table {
            let end = log.end(of: try filter(row.patterns))
            #expect(end?.lastID ?? 0 == row.lastID, "\(row.patterns)")
            // Within one millisecond the one with the larger id is the last.
            let isLast = end.map { $0.last.topic.text == row.last || row.patterns.count > 1 }
            #expect(isLast ?? (row.last == nil), "\(row.patterns)")
        }
    }

    static func sequences(_ log: any MessageLog) async throws {
        _ = await log.append(try draft("a", "x", once: "one"), try ending("over"))
        let failing: [(draft: (PublishSequence) throws -> Draft, isBroken: Bool)] = [
            ({ try draft("a", "x", once: "one", sequence: $0) }, false),
            ({ try draft("a", "y", once: "one", sequence: $0) }, true),
            ({ try draft("over", sequence: $0) }, true),
            ({ try ending("over", sequence: $0) }, false),
            ({ try draft("a", condition: .hasNoMessage, sequence: $0) }, true),
            ({ try draft("a", condition: .hasMessage, sequence: $0) }, false),
        ]
        for (index, row) in failing.enumerated() {
            let sequence = PublishSequence()
            let next = try draft("b", sequence: sequence)
            let results = await log.append(try row.draft(sequence), next, try draft("b"))
            #expect((results[1] == .skipped) == row.isBroken, "\(index)")
            #expect(results[2].storedID != nil, "others go on")
            #expect(sequence.isBroken == row.isBroken, "\(index)")
            // A later submission, also of what was stored before, and ends.
            let later = await log.append(
                next,
                try draft("a", "x", once: "one", sequence: sequence),
                try ending("c/\(index)", sequence: sequence)
            )
            #expect(later.allSatisfy { ($0 == .skipped) == row.isBroken }, "\(index) \(later)")
        }
    }

    static func sequencesOfAClosedLog(_ log: any MessageLog) async throws {
        log.close()
        let sequence = PublishSequence()
        let drafts = [try draft("a", sequence: sequence), try draft("b")]
        let failed = AppendResult.failed(.closed)
        #expect(await log.append(drafts) == [failed, failed])
        #expect(sequence.isBroken)
        #expect(await log.append(drafts, atomic: true) == [failed, .skipped])
    }
}
