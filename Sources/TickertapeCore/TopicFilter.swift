/// What one subscription wants: the messages of every topic that one of its patterns matches.
///
/// Two filters with the same patterns are equal, whatever their order: their subscriptions
/// share frames.
package struct TopicFilter: Hashable, Sendable {
    /// Without repetition, in byte order; at least one.
    package let patterns: [TopicPattern]

    package init(_ patterns: [TopicPattern]) {
        precondition(!patterns.isEmpty, "a filter has at least one pattern")
        if patterns.count == 1 {
            self.patterns = patterns
            return
        }
        self.patterns = Set(patterns).sorted { left, right in
            left.text.utf8.lexicographicallyPrecedes(right.text.utf8)
        }
    }

    package init(topic: TopicName) {
        guard let pattern = try? TopicPattern(topic.text) else {
            preconditionFailure("the name of a topic is a pattern")
        }
        self.patterns = [pattern]
    }

    /// The topics themselves when no pattern has a wildcard.
    package var exactTopics: [TopicName]? {
        var topics: [TopicName] = []
        topics.reserveCapacity(self.patterns.count)
        for pattern in self.patterns {
            guard let topic = pattern.topic else { return nil }
            topics.append(topic)
        }
        return topics
    }

    package func matches(_ topic: TopicName) -> Bool {
        self.patterns.contains { $0.matches(topic) }
    }
}
