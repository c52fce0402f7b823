import TickertapeBroker
import TickertapeCore

/// How many subscriptions follow a topic.
///
/// Pure. Filters of names are looked up; those with wildcards are matched, of which there are few
/// kinds: a crowd has the same one.
struct SubscriberTally: Sendable {
    private var exact: [TopicName: Int] = [:]
    private var wild: [(filter: TopicFilter, count: Int)] = []

    init(_ counts: [TopicFilter: Int]) {
        for (filter, count) in counts {
            guard let topics = filter.exactTopics else {
                self.wild.append((filter, count))
                continue
            }
            for topic in topics { self.exact[topic, default: 0] += count }
        }
    }

    func count(of topic: TopicName) -> Int {
        self.wild.reduce(self.exact[topic] ?? 0) { sum, entry in
            entry.filter.matches(topic) ? sum + entry.count : sum
        }
    }
}
