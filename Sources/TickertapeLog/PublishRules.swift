package import TickertapeCore

/// Why a policy refuses a publish.
package enum PublishRefusal: Equatable, Sendable {
    /// The payload has more bytes than the policy of this pattern takes.
    case messageTooLarge(bytes: Int, max: Int, pattern: TopicPattern)
    /// The topic does not exist, and the policy of this pattern lets no publish create it.
    case topicNotFound(TopicName, pattern: TopicPattern)
}

/// What policies say about publishing.
///
/// There is none of this while no policy says anything: the way of a message then costs one
/// comparison more.
struct PublishRules {
    private let policies: PolicySet
    /// The place of the policy of topics met so far, by number; forgotten when policies change.
    private var indexByTopic: [Int64: Int] = [:]

    private static let rememberedMax = 100_000

    /// Nothing when no policy restricts publishing.
    init?(_ policies: PolicySet) {
        let isRestricting = policies.policies.contains {
            $0.maxMessageBytes != nil || !$0.createsTopics
        }
        guard isRestricting else { return nil }
        self.policies = policies
    }

    /// Why a draft for a topic with this number, if it has one, is refused, if it is.
    mutating func refusal(
        of draft: Draft,
        number: Int64?,
        exists: Bool
    ) -> PublishRefusal? {
        let policy = self.policy(for: draft.topic, number)
        guard exists || policy.createsTopics else {
            return .topicNotFound(draft.topic, pattern: policy.pattern)
        }
        let bytes = draft.data.utf8.count
        if let max = policy.maxMessageBytes, bytes > max {
            return .messageTooLarge(bytes: bytes, max: max, pattern: policy.pattern)
        }
        return nil
    }

    private mutating func policy(for topic: TopicName, _ number: Int64?) -> Policy {
        guard let number else { return self.policies.policy(for: topic) }
        if let known = self.indexByTopic[number] { return self.policies.policies[known] }
        let index = self.policies.policies.firstIndex { $0.pattern.matches(topic) }
        guard let index else { preconditionFailure("there is a policy for everything") }
        if self.indexByTopic.count == Self.rememberedMax { self.indexByTopic = [:] }
        self.indexByTopic[number] = index
        return self.policies.policies[index]
    }
}
