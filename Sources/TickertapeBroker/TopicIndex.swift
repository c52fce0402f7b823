import TickertapeCore

/// Which audiences want the messages of a topic.
///
/// Confined to its event loop. Patterns are matched once for each topic that is met, not once
/// for each message.
struct TopicIndex {
    private var audiences: [TopicFilter: Audience] = [:]
    /// What is known of topics that were met or named; may be forgotten at any time.
    private var byTopic: [TopicName: [Audience]] = [:]
    private var patternAudienceCount = 0

    /// Topics remembered before all are forgotten and met anew.
    private static let topicsMax = 200_000

    var isEmpty: Bool { self.audiences.isEmpty }

    /// The audience of a filter, made if there is none.
    mutating func audience(for filter: TopicFilter) -> Audience {
        if let audience = self.audiences[filter] { return audience }
        let audience = Audience(filter)
        self.audiences[filter] = audience
        if let topics = filter.exactTopics {
            for topic in topics { self.byTopic[topic]?.append(audience) }
        } else {
            self.patternAudienceCount += 1
            for topic in self.byTopic.keys where filter.matches(topic) {
                self.byTopic[topic]?.append(audience)
            }
        }
        return audience
    }

    /// Forgets an audience that nobody uses.
    mutating func remove(_ audience: Audience) {
        assert(audience.memberCount == 0, "an audience with members is kept")
        self.audiences[audience.filter] = nil
        if audience.filter.exactTopics == nil { self.patternAudienceCount -= 1 }
        let topics =
            audience.filter.exactTopics ?? self.byTopic.keys.filter(audience.filter.matches)
        for topic in topics {
            self.byTopic[topic]?.removeAll { $0 === audience }
            if self.byTopic[topic]?.isEmpty ?? false { self.byTopic[topic] = nil }
        }
    }

    mutating func audiences(of topic: TopicName) -> [Audience] {
        if let known = self.byTopic[topic] { return known }
        if self.byTopic.count >= Self.topicsMax { self.byTopic.removeAll() }
        var found: [Audience] = []
        if self.patternAudienceCount == 0 && self.audiences.count > 16 {
            // Only exact filters: those of one topic are found without looking at all.
            if let only = self.audiences[TopicFilter(topic: topic)] { found.append(only) }
            for audience in self.audiences.values
            where audience.filter.patterns.count > 1 && audience.filter.matches(topic) {
                found.append(audience)
            }
        } else {
            found = self.audiences.values.filter { $0.filter.matches(topic) }
        }
        self.byTopic[topic] = found
        return found
    }
}
