import TickertapeCore
import TickertapeTestSupport

@testable import TickertapeBroker

/// What was written to all the sockets of a simulation, message by message: what the counters of
/// the broker are measured by.
final class DeliveryLedger {
    let history: CommittedHistory
    private var all = LoopStatistics.Out()
    private var byTopic: [TopicName: LoopStatistics.Out] = [:]

    init(_ history: CommittedHistory) {
        self.history = history
    }

    /// Of a stream of `filter`, whose messages may be joined.
    func note(_ items: [EventStreamParser.Item], joining filter: TopicFilter) {
        for case .message(let text, let event, let data) in items where event != "tickertape.gap" {
            guard let id = Int64(text),
                let messages = self.history.joined(endingAt: id, data, filter)
            else { continue }
            for message in messages {
                let one = LoopStatistics.Out(messages: 1, bytes: Int64(message.data.utf8.count))
                self.all.add(one)
                self.byTopic[message.topic, default: .init()].add(one)
            }
        }
    }

    /// What the loops have counted otherwise.
    func difference(from loops: [LoopStatistics]) -> String? {
        var (all, byTopic) = (LoopStatistics.Out(), [TopicName: LoopStatistics.Out]())
        for loop in loops {
            all.add(loop.out)
            for (topic, out) in loop.outByTopic { byTopic[topic, default: .init()].add(out) }
        }
        if all != self.all { return "counted \(all), written \(self.all)" }
        return byTopic == self.byTopic
            ? nil : "counted by topic \(byTopic), written \(self.byTopic)"
    }
}
