/// The policies of a broker, of which every topic has exactly one.
package struct PolicySet: Equatable, Sendable {
    /// The most specific first; the last is that of `**`.
    package private(set) var policies: [Policy]
    /// Those of one topic each: no pattern is more specific.
    private var exact: [TopicName: Policy] = [:]
    /// The others, in their order.
    private var general: [Policy] = []

    /// More are refused.
    package static let countMax = 1_000

    /// The one that applies where no other does, unless it was set.
    package static let fallback: Policy = {
        guard let everything = try? TopicPattern("**") else {
            preconditionFailure("** is a pattern")
        }
        return Policy(pattern: everything, description: "default: everything is kept")
    }()

    package init(_ policies: [Policy] = []) {
        self.policies = [Self.fallback]
        self.general = [Self.fallback]
        for policy in policies { self.put(policy) }
        self.sort()
    }

    private mutating func sort() {
        self.exact = [:]
        self.general = []
        for policy in self.policies {
            if let topic = policy.pattern.topic {
                self.exact[topic] = policy
            } else {
                self.general.append(policy)
            }
        }
    }

    /// Adds a policy, or puts it in the place of the one with the same pattern.
    package mutating func set(_ policy: Policy) {
        self.put(policy)
        self.sort()
    }

    private mutating func put(_ policy: Policy) {
        self.policies.removeAll { $0.pattern == policy.pattern }
        let index = self.policies.firstIndex { policy.pattern.isMoreSpecific(than: $0.pattern) }
        self.policies.insert(policy, at: index ?? self.policies.endIndex)
    }

    /// Removes a policy; that of `**` becomes what it was at first.
    ///
    /// - Returns: `false` when there is none with this pattern.
    package mutating func remove(_ pattern: TopicPattern) -> Bool {
        guard let index = self.policies.firstIndex(where: { $0.pattern == pattern }) else {
            return false
        }
        defer { self.sort() }
        if pattern == Self.fallback.pattern {
            self.policies[index] = Self.fallback
        } else {
            self.policies.remove(at: index)
        }
        return true
    }

    /// Whether a policy bounds how fast a client publishes.
    package var hasPublishRates: Bool { self.policies.contains { $0.hasPublishRates } }

    /// All that match a topic, the one that applies first.
    package func matching(_ topic: TopicName) -> [Policy] {
        self.policies.filter { $0.pattern.matches(topic) }
    }

    /// The one that applies to a topic.
    package func policy(for topic: TopicName) -> Policy {
        self.exact[topic] ?? self.general.first { $0.pattern.matches(topic) } ?? Self.fallback
    }
}

extension TopicPattern {
    /// Whether this one decides where both match: at the first level where they differ a name goes
    /// before `*`, and `*` before `**`.
    ///
    /// A total order; where no topic matches both, it means nothing.
    package func isMoreSpecific(than other: TopicPattern) -> Bool {
        let separator = UInt8(ascii: "/")
        var rest = self.text.utf8.split(separator: separator)[...]
        var otherRest = other.text.utf8.split(separator: separator)[...]
        while let level = rest.popFirst() {
            guard let otherLevel = otherRest.popFirst() else { return false }
            let (rank, otherRank) = (Self.rank(level), Self.rank(otherLevel))
            if rank != otherRank { return rank < otherRank }
            if !level.elementsEqual(otherLevel) {
                return level.lexicographicallyPrecedes(otherLevel)
            }
        }
        return !otherRest.isEmpty
    }

    private static func rank(_ level: Substring.UTF8View) -> Int {
        if level.elementsEqual("**".utf8) { return 2 }
        return level.elementsEqual("*".utf8) ? 1 : 0
    }
}
