import TickertapeBroker
import TickertapeCore

/// How many subscriptions follow a topic.
///
/// Pure. Filters of names are looked up; those with wildcards are found by the levels before their
/// first wildcard, so that a topic is matched with those alone that may be meant for it: clients
/// choose the patterns, and may choose very many.
struct SubscriberTally: Sendable {
    private var exact: [TopicName: Int] = [:]
    private var wild: [(filter: TopicFilter, count: Int)] = []
    /// Places in `wild`, by the bytes before the first wildcard.
    private var places: [[UInt8]: [Int]] = [:]

    init(_ counts: [TopicFilter: Int]) {
        for (filter, count) in counts {
            guard let topics = filter.exactTopics else {
                let beginnings = Set(filter.patterns.map { Self.beginning(of: $0) })
                for beginning in beginnings {
                    self.places[beginning, default: []].append(self.wild.count)
                }
                self.wild.append((filter, count))
                continue
            }
            for topic in topics { self.exact[topic, default: 0] += count }
        }
    }

    func count(of topic: TopicName) -> Int {
        let exact = self.exact[topic] ?? 0
        guard !self.wild.isEmpty else { return exact }
        let bytes = Array(topic.text.utf8)
        var found = Set(self.places[[]] ?? [])
        for (index, byte) in bytes.enumerated() where byte == UInt8(ascii: "/") {
            found.formUnion(self.places[Array(bytes[...index])] ?? [])
        }
        found.formUnion(self.places[bytes] ?? [])
        return found.reduce(exact) { sum, place in
            self.wild[place].filter.matches(topic) ? sum + self.wild[place].count : sum
        }
    }

    /// The levels before the first wildcard, with their last separator; all when there is none.
    private static func beginning(of pattern: TopicPattern) -> [UInt8] {
        let bytes = Array(pattern.text.utf8)
        // A wildcard is a whole level.
        return Array(bytes.prefix { $0 != UInt8(ascii: "*") })
    }
}
