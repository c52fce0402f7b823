import TickertapeBroker
import TickertapeCore
import TickertapeLog

/// What retention would remove, and who that is connected would miss it.
struct RetentionPlan {
    /// A subscription that has not got something that would go.
    private struct Loser {
        let subscriber: SubscriberEntry
        let cursor: Int64
        let topic: TopicName
        /// Nothing where it has got some of what would go.
        let missed: Int64?
    }

    private let removals: [TopicRemoval]
    /// Topics that go as a whole, since they ended long ago.
    private let deleted: Set<TopicName>
    private let losers: [Loser]

    /// Topics and subscribers that are told; of more, only how many.
    private static let rowsMax = 1_000

    init(_ policies: PolicySet, _ backend: AdminBackend) async throws {
        let due = Self.dueTopics(backend.log.topics, policies, nowMilliseconds())
        self.deleted = Set(due.map(\.topic))
        let removals =
            try await backend.log.planRetention(policies)
            .filter { [deleted] in $0.messages > 0 && !deleted.contains($0.topic) }
        self.removals = (removals + due)
            .sorted { ($1.messages, $0.topic.text) < ($0.messages, $1.topic.text) }
        self.losers = try await Self.losers(self.removals, backend)
    }

    /// What ended so long ago that its policy deletes it, with all it holds.
    static func dueTopics(
        _ table: TopicTable,
        _ policies: PolicySet,
        _ now: Int64
    ) -> [TopicRemoval] {
        guard table.endedCount > 0 else { return [] }
        return table.names.indices.compactMap { row in
            guard table.hasEnded(row), let end = table.end(row),
                let seconds = policies.policy(for: end.topic).removesEndedAfterSeconds,
                (now - end.timeMilliseconds) / 1_000 >= seconds
            else { return nil }
            let messages = table.messageCounts[row]
            return TopicRemoval(
                topic: end.topic,
                messages: messages,
                bytes: table.byteCounts[row],
                removedThrough: messages == 0 ? 0 : table.lastIDs[row]
            )
        }
    }

    private static func losers(
        _ removals: [TopicRemoval],
        _ backend: AdminBackend
    ) async throws -> [Loser] {
        let behind = await backend.broker.subscribers().filter { $0.state != .live }
        guard !removals.isEmpty, !behind.isEmpty else { return [] }
        let byTopic = Dictionary(removals.map { ($0.topic, $0) }) { first, _ in first }
        var found: [(SubscriberEntry, Int64, TopicRemoval)] = []
        for subscriber in behind.sorted(by: { $0.number < $1.number }) {
            guard let cursor = subscriber.cursor else { continue }
            let followed =
                subscriber.filter.exactTopics?.compactMap { byTopic[$0] }
                ?? removals.filter { subscriber.filter.matches($0.topic) }
            for removal in followed where cursor < removal.removedThrough {
                found.append((subscriber, cursor, removal))
            }
            if found.count >= Self.rowsMax { break }
        }
        let firstIDs = try await Self.firstIDs(found.map(\.2.topic), backend)
        return found.prefix(Self.rowsMax).map { subscriber, cursor, removal in
            let hasNone = firstIDs[removal.topic].map { cursor < $0 } ?? false
            return Loser(
                subscriber: subscriber,
                cursor: cursor,
                topic: removal.topic,
                missed: hasNone ? removal.messages : nil
            )
        }
    }

    private static func firstIDs(
        _ topics: [TopicName],
        _ backend: AdminBackend
    ) async throws -> [TopicName: Int64] {
        let wanted = Set(topics)
        let table = backend.log.topics
        let rows = table.names.indices.filter { wanted.contains(table.names[$0]) }
            .prefix(Self.rowsMax)
        let details = try await backend.log.details(of: rows.map { table.numbers[$0] })
        var firstIDs: [TopicName: Int64] = [:]
        for (row, detail) in zip(rows, details) { firstIDs[table.names[row]] = detail.firstID }
        return firstIDs
    }

    var json: JSONWriter {
        var writer = JSONWriter(capacity: 4_096)
        writer.object { writer in
            writer.field("messages", self.removals.reduce(0) { $0 + $1.messages })
            writer.field("bytes", self.removals.reduce(0) { $0 + $1.bytes })
            writer.array("topics", of: self.removals.prefix(Self.rowsMax)) { writer, removal in
                writer.object { writer in
                    writer.fields(of: removal)
                    writer.field("deletes_topic", self.deleted.contains(removal.topic))
                }
            }
            writer.field("topics_total", self.removals.count)
            writer.field("topics_deleted", self.deleted.count)
            writer.array("subscribers", of: self.losers) { writer, loser in
                writer.object { writer in
                    writer.field("id", loser.subscriber.number)
                    writer.field("transport", loser.subscriber.transport.rawValue)
                    writer.field("address", loser.subscriber.address)
                    writer.array("topics", of: loser.subscriber.filter.patterns) {
                        $0.element($1.text)
                    }
                    writer.field("cursor", loser.cursor)
                    writer.field("topic", loser.topic.text)
                    writer.field("messages_missed", loser.missed)
                }
            }
        }
        return writer
    }
}
