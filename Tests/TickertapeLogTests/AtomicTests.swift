import Testing
import TickertapeCore
import TickertapeLog
import TickertapeTestSupport

/// Atomic submissions and sequences in transactions of a log of files, also of such that fail.
@Suite(.serialized)
struct AtomicTests {
    /// Appends everything while the writer answers, so that one transaction takes it.
    private func appendTogether(
        _ log: SQLiteLog,
        _ submissions: [(drafts: [Draft], isAtomic: Bool)]
    ) async throws -> [[AppendResult]] {
        let blocker = try draft("blocker")
        return await withCheckedContinuation { continuation in
            let answers = Answers(count: submissions.count) { continuation.resume(returning: $0) }
            for draft in submissions.flatMap(\.drafts) + [blocker] {
                precondition(log.admit(draft))
            }
            log.append([blocker]) { _ in
                for (index, submission) in submissions.enumerated() {
                    log.append(submission.drafts, atomic: submission.isAtomic) {
                        answers.set($0.withoutTimes, at: index)
                    }
                }
            }
        }
    }

    @Test("Very many small parts of one transaction cost no more than their messages")
    func manyParts() async throws {
        let folder = try LogFolder()
        let none = PublishCondition.hasNoMessage
        let submissions: [(drafts: [Draft], isAtomic: Bool)] = try (0..<1_500).map { number in
            let last = number % 3 == 0 ? try draft("x", condition: none) : try draft("b")
            return ([try draft("x"), try draft("t/\(number)"), last], true)
        }
        try await folder.withLog { log async throws in
            let told = Told()
            told.listen(to: log)
            let results = try await self.appendTogether(log, submissions)
            for (number, answers) in results.enumerated() {
                #expect(answers.allSatisfy { $0.isDone } == (number % 3 != 0))
                #expect(answers.compactMap(\.storedID).count == (number % 3 == 0 ? 0 : 3))
            }
            #expect(log.statistics().messageCount == 3_001)
            #expect(log.statistics().topicCount == 1_003)
            #expect(log.statistics().refusals == 500)
            #expect(told.messages.count == 3_001)
            #expect(log.topics.messageCounts.reduce(0, +) == 3_001)
        }
        try await folder.withLog { log async throws in
            #expect(log.messageCountAtStart == 3_001)
            #expect(log.topics.names.count == 1_003)
        }
    }

    @Test("Where SQLite rolls back all for a part, all have failed, and the log recovers")
    func rollback() async throws {
        for (word, raise) in [("ROLLBACK", "ROLLBACK"), ("ABORT", "ABORT"), ("FAIL", "FAIL")] {
            let folder = try LogFolder()
            try await folder.withLog { log in _ = await log.append(try draft("a")) }
            try folder.change(
                """
                CREATE TRIGGER broken BEFORE INSERT ON messages WHEN NEW.data = CAST('bad' AS BLOB)
                BEGIN SELECT RAISE(\(raise), 'simulated'); END
                """
            )
            try await folder.withLog { log async throws in
                let told = Told()
                told.listen(to: log)
                let (first, second) = (PublishSequence(), PublishSequence())
                let results = try await self.appendTogether(
                    log,
                    [
                        ([try draft("a", sequence: first), try ending("over")], false),
                        ([try draft("n"), try draft("a", "bad"), try draft("b")], true),
                        ([try draft("c", sequence: second)], false),
                    ]
                )
                let failed = AppendResult.failed(.unavailable("simulated"))
                #expect(results[0] == [failed, failed], "\(word)")
                #expect(results[1] == [failed, .skipped, .skipped])
                #expect(results[2] == [failed])
                #expect(first.isBroken && second.isBroken)
                #expect(told.batches.count == 1, "that of the blocker")
                #expect(try log.end(of: filter(["over"])) == nil)
                #expect(await log.append(try draft("a", sequence: first)) == [.skipped])
                let good = await log.append([try draft("n"), try ending("over")], atomic: true)
                #expect(good.allSatisfy { $0.isDone })
                #expect(log.isWritable)
                #expect(log.topics.names.map(\.text) == ["a", "blocker", "n", "over"])
            }
        }
    }

    @Test("A sequence is broken for what waits, whatever transaction it is in")
    func brokenSequence() async throws {
        var limits = Limits()
        limits.batchMessagesMax = 2
        try await LogFolder(limits).withLog { log async throws in
            _ = await log.append(try draft("a"))
            let sequence = PublishSequence()
            let submissions: [(drafts: [Draft], isAtomic: Bool)] = try (0..<40).map { number in
                let condition = number == 17 ? PublishCondition.hasNoMessage : nil
                return (
                    [try draft("a", "\(number)", condition: condition, sequence: sequence)], false
                )
            }
            let results = try await self.appendTogether(log, submissions).flatMap { $0 }
            #expect(results.prefix(17).allSatisfy { $0.storedID != nil })
            #expect(results[17] == .conditionFailed(lastID: results[16].storedID ?? 0))
            #expect(results.dropFirst(18).allSatisfy { $0 == .skipped })
        }
    }

    @Test("A submission that is larger than a transaction may be is one transaction all the same")
    func large() async throws {
        var limits = Limits()
        limits.batchMessagesMax = 10
        try await LogFolder(limits).withLog { log async throws in
            let told = Told()
            told.listen(to: log)
            let drafts = try (0..<500).map { try draft("t/\($0 % 7)", "\($0)", once: "\($0)") }
            let results = await log.append(drafts, atomic: true)
            #expect(results.compactMap(\.storedID) == (1...500).map { Int64($0) })
            #expect(told.batches.map(\.messages.count) == [500])
            let again = await log.append(drafts, atomic: true)
            #expect(again == (1...500).map { .alreadyStored(id: $0) })
        }
    }
}
