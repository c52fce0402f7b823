import Testing
import TickertapeCore
import TickertapeTestSupport

struct PolicySetTests {
    private static func patterns(_ texts: [String]) throws -> [TopicPattern] {
        try texts.map { try TopicPattern($0) }
    }

    @Test("The more specific pattern comes first: a name before *, * before **, left before right")
    func order() throws {
        let sorted = [
            "a/b/c", "a/b", "a/*/c", "a/*", "a/**", "a", "b", "*/b", "*/*", "*/**", "*", "**",
        ]
        var policies = PolicySet()
        for pattern in try Self.patterns(sorted.reversed()) {
            policies.set(Policy(pattern: pattern))
        }
        let found = policies.policies.map(\.pattern.text)
        #expect(found.last == "**")
        for topic in [
            "a/b/c", "a/b", "a/x/c", "a/x", "a/x/y", "a", "b", "x/b", "x/y", "x/y/z", "x",
        ] {
            let name = try TopicName(topic)
            let matching = sorted.filter { text in
                (try? TopicPattern(text))?.matches(name) ?? false
            }
            #expect(policies.matching(name).map(\.pattern.text) == matching, "\(topic)")
            #expect(policies.policy(for: name).pattern.text == matching[0])
        }
    }

    @Test("The order is one, whatever comes first")
    func totalOrder() throws {
        let texts = ["a", "b", "*", "a/b", "a/*", "*/a", "*/*", "**", "a/**", "*/**", "é", "a/b/c"]
        let patterns = try Self.patterns(texts)
        for one in patterns {
            #expect(!one.isMoreSpecific(than: one))
            for two in patterns where one != two {
                #expect(one.isMoreSpecific(than: two) != two.isMoreSpecific(than: one))
                for three in patterns
                where one.isMoreSpecific(than: two) && two.isMoreSpecific(than: three) {
                    #expect(one.isMoreSpecific(than: three), "\(one) \(two) \(three)")
                }
            }
        }
        var generator = Seed().generator
        let expected = PolicySet(patterns.map { Policy(pattern: $0) })
        for _ in 0..<50 {
            let shuffled = patterns.shuffled(using: &generator)
            #expect(PolicySet(shuffled.map { Policy(pattern: $0) }) == expected)
        }
    }

    @Test("There is always a policy for everything, and it keeps everything")
    func fallback() throws {
        var policies = PolicySet()
        let name = try TopicName("a/b")
        #expect(policies.policies == [PolicySet.fallback])
        #expect(!PolicySet.fallback.hasRetention)
        #expect(PolicySet.fallback.createsTopics)
        let everything = Policy(pattern: PolicySet.fallback.pattern, maxMessages: 7)
        policies.set(everything)
        #expect(policies.policies == [everything])
        #expect(policies.policy(for: name) == everything)
        let isReset = policies.remove(everything.pattern)
        #expect(isReset)
        #expect(policies.policies == [PolicySet.fallback])
    }

    @Test("A policy is replaced and removed by its pattern, and leaves nothing to others")
    func replacing() throws {
        let general = Policy(pattern: try TopicPattern("a/**"), maxAgeSeconds: 1, maxMessages: 5)
        let special = Policy(pattern: try TopicPattern("a/b"), maxBytes: 9)
        let name = try TopicName("a/b")
        var policies = PolicySet([general, special])
        #expect(policies.policy(for: name) == special)
        #expect(policies.policy(for: name).maxMessages == nil, "it is not inherited")
        policies.set(Policy(pattern: special.pattern))
        #expect(policies.policies.count == 3)
        #expect(!policies.policy(for: name).hasRetention)
        let isRemoved = [policies.remove(special.pattern), policies.remove(special.pattern)]
        #expect(isRemoved == [true, false])
        #expect(policies.policy(for: name) == general)
    }

    @Test("Whether any policy bounds how fast clients publish is known")
    func publishRates() throws {
        let pattern = try TopicPattern("a/**")
        var policies = PolicySet([Policy(pattern: pattern, maxMessages: 1)])
        #expect(!policies.hasPublishRates)
        for policy in [
            Policy(pattern: pattern, maxPublishesPerSecond: 1),
            Policy(pattern: pattern, maxPublishBytesPerSecond: 1),
        ] {
            policies.set(policy)
            #expect(policies.hasPublishRates)
            #expect(!policy.hasRetention)
            let isRemoved = policies.remove(pattern)
            #expect(isRemoved)
            #expect(!policies.hasPublishRates)
        }
    }

    @Test("The policy of a topic is the first of those that match, whatever was set and removed")
    func walk() throws {
        let seed = Seed()
        var random = seed.generator
        let levels = ["a", "b", "é", "*"]
        var policies = PolicySet()
        for step in 0..<1_000 {
            var parts = (0..<random.int(1...3)).map { _ in random.pick(levels) }
            if random.oneIn(4) { parts.append("**") }
            let pattern = try TopicPattern(parts.joined(separator: "/"))
            if random.oneIn(3) {
                _ = policies.remove(pattern)
            } else {
                policies.set(Policy(pattern: pattern, maxMessages: Int64(step + 1)))
            }
            let names = (0..<random.int(1...3)).map { _ in random.pick(["a", "b", "é"]) }
            let topic = try TopicName(names.joined(separator: "/"))
            let first = try #require(policies.policies.first { $0.pattern.matches(topic) })
            #expect(policies.policy(for: topic) == first, "\(topic) at step \(step), \(seed)")
        }
        #expect(policies == PolicySet(policies.policies), "\(seed)")
    }
}
