import Testing
import TickertapeCore
import TickertapeLog
import TickertapeTestSupport

/// What every log promises about submissions that are stored whole or not at all.
extension MessageLogContract {
    static func atomicStored(_ log: any MessageLog) async throws {
        let told = Told()
        told.listen(to: log)
        let drafts = [
            try draft("a", once: "one"), try draft("b"), try draft("a", end: .withMessage),
            try ending("c"), try draft("a", once: "one"),
        ]
        let (a, c) = (
            try TickertapeLogTests.end("a", at: 3), try TickertapeLogTests.end("c", at: 0)
        )
        let results = await log.append(drafts, atomic: true)
        #expect(
            results.withoutTimes == [
                .stored(id: 1), .stored(id: 2), .stored(id: 3), .ended(c), .alreadyStored(id: 1),
            ]
        )
        #expect(told.events == [.batch([1, 2, 3]), .ended(a), .ended(c)])
        let repeats = [try draft("a", once: "one"), try draft("b")]
        #expect(await log.append(repeats, atomic: true) == [.alreadyStored(id: 1), .stored(id: 4)])
    }

    static func atomicNotStored(_ log: any MessageLog) async throws {
        _ = await log.append(try draft("a", "x", once: "old"), try ending("over"))
        let told = Told()
        told.listen(to: log)
        let (over, new) = (
            try TickertapeLogTests.end("over", at: 0), try TickertapeLogTests.end("new/end", at: 0)
        )
        let broken = PublishSequence()
        broken.breakOff()
        let table: [(draft: Draft, result: AppendResult)] = [
            (try draft("over"), .topicEnded(over)),
            (try draft("a", "y", once: "old"), .idempotencyKeyReused),
            (try draft("new", "y", once: "new"), .idempotencyKeyReused),
            (try draft("new/end"), .topicEnded(new)), (try draft("b", sequence: broken), .skipped),
            // It fails for an id that was given inside, which nobody is told of.
            (try draft("a", condition: .lastIDIsOneOf([1])), .conditionFailed(lastID: 1)),
        ]
        for (number, row) in table.enumerated() {
            let last = log.head
            let sequence = PublishSequence()
            let results = await log.append(
                [
                    try draft("a", "x", once: "old"), try draft("new", once: "new"),
                    try draft("a", sequence: sequence), try ending("new/end"), row.draft,
                    try draft("b"),
                ],
                atomic: true
            ).withoutTimes
            #expect(results == (0..<6).map { $0 == 4 ? row.result : .skipped })
            #expect(sequence.isBroken)
            #expect(log.head == last)
            #expect(told.events.count == number, "nothing of it is announced")
            for topic in ["new", "new/end", "b"] {
                #expect(try log.end(of: filter([topic])) == nil)
                #expect(try await log.page(of: topic).messages.isEmpty)
            }
            let id = try #require(await log.append(try draft("c")).first?.storedID)
            #expect(id > last + 2, "the ids of what was undone are skipped")
        }
        #expect(await log.append(try draft("new", "y", once: "new")).first?.storedID != nil)
    }

    static func atomicAmongOthers(_ log: any MessageLog) async throws {
        let none = PublishCondition.hasNoMessage
        let told = Told()
        told.listen(to: log)
        let submissions: [(drafts: [Draft], isAtomic: Bool)] = [
            ([try draft("a"), try draft("n/1", once: "k")], false),
            ([try draft("a"), try draft("n/2"), try draft("a", condition: none)], true),
            ([try draft("n/2", condition: none), try draft("a", condition: none)], false),
            ([try draft("n/3", condition: none), try ending("n/3")], true),
            ([try draft("n/1", once: "k"), try ending("a"), try draft("n/3")], true),
            ([try draft("a")], false),
        ]
        // All of them go into one transaction: they are appended while the writer answers.
        let answers = await withCheckedContinuation { continuation in
            let first = Answers(count: submissions.count) { continuation.resume(returning: $0) }
            guard let blocker = try? draft("z") else { preconditionFailure("a topic") }
            for draft in submissions.flatMap(\.drafts) + [blocker] {
                precondition(log.admit(draft))
            }
            log.append([blocker]) { _ in
                for (index, submission) in submissions.enumerated() {
                    log.append(submission.drafts, atomic: submission.isAtomic) {
                        first.set($0.withoutTimes, at: index)
                    }
                }
            }
        }
        let ids = try #require(told.messages.dropFirst().map(\.id) as [Int64]?)
        #expect(ids.count == 5)
        #expect(answers[0] == [.stored(id: ids[0]), .stored(id: ids[1])])
        #expect(answers[1] == [.skipped, .skipped, .conditionFailed(lastID: ids[0])])
        #expect(answers[2] == [.stored(id: ids[2]), .conditionFailed(lastID: ids[0])])
        let over = try TickertapeLogTests.end("n/3", at: ids[3])
        #expect(answers[3] == [.stored(id: ids[3]), .ended(over)])
        #expect(answers[4] == [.skipped, .skipped, .topicEnded(over)])
        #expect(answers[5] == [.stored(id: ids[4])])
        #expect(zip(ids, ids.dropFirst()).allSatisfy { $0 < $1 })
        #expect(told.messages.map(\.topic.text) == ["z", "a", "n/1", "n/2", "n/3", "a"])
        #expect(try log.end(of: filter(["a"])) == nil)
    }
}
