import TickertapeBroker
import TickertapeCore
import TickertapeLog

/// Everything that is told of topics: columns, details, rates, what went out, and who follows.
struct TopicRows: Sendable {
    let table: TopicTable
    let rates: TopicRates
    let tally: SubscriberTally
    let policies: PolicySet

    init(_ backend: AdminBackend) async {
        self.table = backend.log.topics
        self.rates = backend.sampler.rates
        self.tally = SubscriberTally(await backend.broker.subscriberCounts())
        self.policies = backend.log.policies
    }

    /// The row of a topic that exists.
    func row(of topic: TopicName) -> Int? {
        self.table.names.firstIndex(of: topic).flatMap { self.table.isDeleted($0) ? nil : $0 }
    }

    /// Writes some rows as elements, in order.
    func write(
        _ rows: [Int],
        _ backend: AdminBackend,
        into writer: inout JSONWriter
    ) async throws {
        let details = try await backend.log.details(of: rows.map { self.table.numbers[$0] })
        let out = backend.sampler.out(of: rows.map { self.table.names[$0] })
        for (place, row) in rows.enumerated() {
            writer.object { writer in
                self.write(row, details[place], out[place], &writer)
            }
        }
    }

    private func write(
        _ row: Int,
        _ details: TopicDetails,
        _ out: LoopStatistics.Out,
        _ writer: inout JSONWriter
    ) {
        let topic = self.table.names[row]
        let hasMessages = details.firstID != nil
        writer.field("topic", topic.text)
        writer.field("messages", self.table.messageCounts[row])
        writer.field("bytes", self.table.byteCounts[row])
        writer.field("first_id", details.firstID)
        writer.field("last_id", hasMessages ? self.table.lastIDs[row] : nil)
        writer.time("first_time", milliseconds: details.firstTimeMilliseconds)
        writer.time("last_time", milliseconds: details.lastTimeMilliseconds)
        writer.field(
            "removed_through",
            details.removedThrough == 0 ? nil : details.removedThrough
        )
        writer.rates("rate", self.rates.messages(row: row))
        writer.rates("bytes_rate", self.rates.bytes(row: row))
        writer.field("messages_in", self.table.messagesIn[row])
        writer.field("messages_out", out.messages)
        writer.field("bytes_in", self.table.bytesIn[row])
        writer.field("bytes_out", out.bytes)
        writer.field("subscribers", self.tally.count(of: topic))
        writer.field("policy", self.policies.policy(for: topic).pattern.text)
        if let end = self.table.end(row) {
            writer.object("end") { $0.fields(of: end) }
        } else {
            writer.field("end", nil as String?)
        }
    }
}

extension JSONWriter {
    mutating func rates(_ name: StaticString, _ rates: Rates) {
        self.object(name) { writer in
            writer.field("1s", rates.over1)
            writer.field("10s", rates.over10)
            writer.field("60s", rates.over60)
        }
    }
}
