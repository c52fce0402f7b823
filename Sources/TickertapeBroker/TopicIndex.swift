import TickertapeCore

/// Which audiences want the messages of a topic.
///
/// Confined to its event loop. Audiences of topics are found by the topic. Patterns are matched
/// once for each topic that is met, not once for each message.
struct TopicIndex {
    private var audiences: [TopicFilter: Audience] = [:]
    /// Those whose filters are topics alone, by each of them.
    private var exact: [TopicName: [Audience]] = [:]
    /// The others.
    private var patterned: [TopicFilter: Audience] = [:]
    /// All audiences of topics that were met; may be forgotten at any time, and is not needed
    /// where there are no patterns.
    private(set) var remembered: [TopicName: [Audience]] = [:]
    private let topicsMax: Int

    init(limits: Limits) {
        self.topicsMax = limits.indexedTopicsMax
    }

    var isEmpty: Bool { self.audiences.isEmpty }

    /// The audience of a filter, made if there is none.
    mutating func audience(for filter: TopicFilter) -> Audience {
        if let audience = self.audiences[filter] { return audience }
        let audience = Audience(filter)
        self.audiences[filter] = audience
        if let topics = filter.exactTopics {
            for topic in topics {
                self.exact[topic, default: []].append(audience)
                self.remembered[topic]?.append(audience)
            }
        } else {
            self.patterned[filter] = audience
            for topic in self.remembered.keys where filter.matches(topic) {
                self.remembered[topic]?.append(audience)
            }
        }
        return audience
    }

    /// Forgets an audience that nobody uses.
    mutating func remove(_ audience: Audience) {
        assert(audience.memberCount == 0, "an audience with members is kept")
        self.audiences[audience.filter] = nil
        if let topics = audience.filter.exactTopics {
            for topic in topics {
                self.exact[topic]?.removeAll { $0 === audience }
                if self.exact[topic]?.isEmpty ?? false { self.exact[topic] = nil }
                self.remembered[topic]?.removeAll { $0 === audience }
            }
            return
        }
        self.patterned[audience.filter] = nil
        guard !self.patterned.isEmpty else {
            self.remembered.removeAll()
            return
        }
        for topic in self.remembered.keys where audience.filter.matches(topic) {
            self.remembered[topic]?.removeAll { $0 === audience }
        }
    }

    mutating func audiences(of topic: TopicName) -> [Audience] {
        let exact = self.exact[topic] ?? []
        if self.patterned.isEmpty { return exact }
        if let known = self.remembered[topic] { return known }
        if self.remembered.count >= self.topicsMax { self.remembered.removeAll() }
        let found = exact + self.patterned.values.filter { $0.filter.matches(topic) }
        self.remembered[topic] = found
        return found
    }
}
