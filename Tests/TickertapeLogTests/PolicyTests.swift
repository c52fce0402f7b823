import Testing
import TickertapeCore
import TickertapeLog
import TickertapeTestSupport

/// What operators settle by policies, and what publishers see of it.
@Suite(.serialized)
struct PolicyTests {
    @Test("Policies are in force at once, survive a restart, and the most specific one wins")
    func policies() async throws {
        let folder = try LogFolder()
        let all = Policy(
            pattern: try TopicPattern("a/**"),
            maxAgeSeconds: 60,
            maxMessages: 5,
            maxBytes: 1_000,
            removesEndedAfterSeconds: 86_400,
            maxMessageBytes: 10,
            maxPublishesPerSecond: 0.5,
            maxPublishBytesPerSecond: 1e6,
            createsTopics: false,
            description: "é\u{0}'"
        )
        let one = Policy(pattern: try TopicPattern("a/b"))
        let name = try TopicName("a/b")
        try await folder.withLog { log async throws in
            #expect(try await log.set(all))
            #expect(try await log.set(one))
            #expect(log.policies.policies == [one, all, PolicySet.fallback])
            let drafts = try ["a/b", "a/c", "b"].map { try draft($0) }
            #expect(await log.append(drafts).compactMap(\.storedID).count == 2)
        }
        try await folder.withLog { log async throws in
            #expect(log.policies.policies == [one, all, PolicySet.fallback])
            #expect(try await log.unset("a/b"))
            #expect(try await !log.unset("a/b"))
            #expect(log.policies.matching(name) == [all, PolicySet.fallback])
        }
        try await folder.withLog { log async throws in #expect(log.policies == PolicySet([all])) }
    }

    @Test("A rate that was put there by hand and would let nothing pass becomes one that does")
    func ratesByHand() async throws {
        let folder = try LogFolder()
        let set = Policy(pattern: try TopicPattern("a"), maxPublishesPerSecond: 2)
        try await folder.withLog { log async throws in #expect(try await log.set(set)) }
        try folder.change("UPDATE policies SET max_publishes_per_second = -1")
        try await folder.withLog { log async throws in
            let policy = log.policies.policy(for: try TopicName("a"))
            #expect(policy.maxPublishesPerSecond == Policy.rates.lowerBound)
            #expect(policy.maxPublishBytesPerSecond == nil)
            #expect(log.policies.hasPublishRates)
        }
    }

    @Test("There are at most a thousand policies")
    func policyCount() async throws {
        try await LogFolder().withLog { log async throws in
            for number in 1..<PolicySet.countMax {
                let policy = Policy(pattern: try TopicPattern("t/\(number)"))
                #expect(try await log.set(policy))
            }
            let more = Policy(pattern: try TopicPattern("more"))
            #expect(try await !log.set(more))
            let again = Policy(pattern: try TopicPattern("t/1"), maxMessages: 1)
            #expect(try await log.set(again), "one that is there may be set")
        }
    }

    @Test("What a policy refuses leaves the rest of its transaction alone")
    func refusals() async throws {
        let folder = try LogFolder()
        let small = Policy(pattern: try TopicPattern("a/*"), maxMessageBytes: 4)
        let closed = Policy(pattern: try TopicPattern("b/**"), createsTopics: false)
        let tooLarge = PublishRefusal.messageTooLarge(bytes: 5, max: 4, pattern: small.pattern)
        let missing = PublishRefusal.topicNotFound(try TopicName("b/c"), pattern: closed.pattern)
        let retried = try draft("a/x", "12345", once: "one")
        try await folder.withLog { log async throws in
            #expect(await log.append(retried) == [.stored(id: 1)])
            #expect(try await log.set(small))
            #expect(try await log.set(closed))
            let results = await log.append(
                try draft("c"),
                try draft("a/x", "12345"),
                try draft("a/x", "éé"),
                try draft("b/c"),
                try draft("d"),
                retried
            )
            #expect(
                results == [
                    .stored(id: 2), .refused(tooLarge), .stored(id: 3), .refused(missing),
                    .stored(id: 4), .alreadyStored(id: 1),
                ]
            )
            #expect(await log.append(try draft("b/c")) == [.refused(missing)])
            #expect(log.statistics().refusals == 3)
            #expect(try await log.create("b/c"))
            #expect(await log.append(try draft("b/c")) == [.stored(id: 5)])
            #expect(try await log.delete("b/c")?.messages == 1)
            #expect(await log.append(try draft("b/c")) == [.refused(missing)])
        }
    }
}
