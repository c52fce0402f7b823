/// What a client may do: to which topics it publishes, and which it follows.
package struct Grant: Hashable, Sendable {
    package let publish: [TopicPattern]
    package let subscribe: [TopicPattern]

    /// Patterns of each of the two lists; more are refused.
    package static let patternsMax = 128

    package init(publish: [TopicPattern], subscribe: [TopicPattern]) {
        self.publish = publish
        self.subscribe = subscribe
    }

    package static let none = Grant(publish: [], subscribe: [])

    package static let everything: Grant = {
        guard let all = try? TopicPattern("**") else { preconditionFailure("** is a pattern") }
        return Grant(publish: [all], subscribe: [all])
    }()

    package var isEmpty: Bool { self.publish.isEmpty && self.subscribe.isEmpty }

    package func allowsPublish(to topic: TopicName) -> Bool {
        self.publish.contains { $0.matches(topic) }
    }

    /// Whether every topic that `pattern` stands for is covered, now and later, by one pattern of
    /// the grant.
    package func allowsSubscribe(to pattern: TopicPattern) -> Bool {
        self.subscribe.contains { $0.covers(pattern) }
    }
}
