/// What a client may do: to which topics it publishes, which it follows, and which it may stop.
package struct Grant: Hashable, Sendable {
    package let publish: [TopicPattern]
    package let subscribe: [TopicPattern]
    /// Topics that it may end as a reader.
    package let stop: [TopicPattern]

    /// Patterns of each of the lists; more are refused.
    package static let patternsMax = 128

    package init(
        publish: [TopicPattern],
        subscribe: [TopicPattern],
        stop: [TopicPattern] = []
    ) {
        self.publish = publish
        self.subscribe = subscribe
        self.stop = stop
    }

    package static let none = Grant(publish: [], subscribe: [])

    package static let everything: Grant = {
        guard let all = try? TopicPattern("**") else { preconditionFailure("** is a pattern") }
        return Grant(publish: [all], subscribe: [all], stop: [all])
    }()

    package var isEmpty: Bool {
        self.publish.isEmpty && self.subscribe.isEmpty && self.stop.isEmpty
    }

    package func allowsPublish(to topic: TopicName) -> Bool {
        self.publish.contains { $0.matches(topic) }
    }

    package func allowsStop(of topic: TopicName) -> Bool {
        self.stop.contains { $0.matches(topic) }
    }

    /// Whether every topic that `pattern` stands for is covered, now and later, by one pattern of
    /// the grant.
    package func allowsSubscribe(to pattern: TopicPattern) -> Bool {
        self.subscribe.contains { $0.covers(pattern) }
    }
}
