import NIOCore
package import TickertapeCore
package import TickertapeLog
import TickertapeWire

/// What becomes of subscriptions when operators remove messages, topics or subscribers.
extension LoopFanout {
    /// How a filter has ended that has nothing but ended topics.
    package func end(of filter: TopicFilter) -> FilterEnd? { self.log.end(of: filter) }

    /// What was removed is not delivered from memory any more.
    ///
    /// Whoever was due it finds it gone in the log, and is told of a gap.
    func forget(_ topic: TopicName, through id: Int64) {
        let last = min(id, self.delivered)
        self.countWrites()
        for audience in self.index.audiences(of: topic) { audience.forget(through: last) }
        self.recent.forget(through: last)
    }

    /// Ends whoever follows this topic and others that are deleted, and nothing else.
    func end(_ topic: TopicName) {
        for audience in self.index.audiences(of: topic) {
            // Who watches from outside wants to know.
            if !audience.waiters.isEmpty { self.markDirty(audience) }
            // It may exist again by now: who follows it alone has still seen its end.
            let hasEnded = audience.onlyTopic != nil || self.log.end(of: audience.filter) != nil
            guard hasEnded else { continue }
            for subscription in self.members(of: audience) { self.end(subscription, with: topic) }
        }
    }

    private func members(of audience: Audience) -> [Subscription] {
        guard audience.memberCount > audience.live.count else { return audience.live }
        return audience.live + self.notLive.all.filter { $0.audience === audience }
    }

    /// Nothing more is written to it but its end, which comes in one of the next slices.
    func end(_ subscription: Subscription, with topic: TopicName) {
        self.close(subscription)
        self.ending.append((subscription, topic))
        self.scheduleSlice()
    }

    /// - Returns: How many ends were written.
    func writeEnds(atMost most: Int) -> Int {
        var written = 0
        while written < most, let (subscription, topic) = self.ending.popFirst() {
            let end = TopicEnd(topic: topic, reason: .deleted, lastID: 0, timeMilliseconds: 0)
            subscription.transport?.end(.ended(end))
            written += 1
        }
        return written
    }
}
