import NIOCore
package import TickertapeCore
package import TickertapeLog
import TickertapeWire

/// What becomes of subscriptions when messages are removed, and when topics end.
extension LoopFanout {
    /// What was removed is not delivered from memory any more.
    ///
    /// Whoever was due it finds it gone in the log, and is told of a gap.
    func forget(_ topic: TopicName, through id: Int64) {
        let last = min(id, self.delivered)
        self.countWrites()
        for audience in self.index.audiences(of: topic) { audience.forget(through: last) }
        self.recent.forget(through: last)
    }

    private func members(of audience: Audience) -> [Subscription] {
        guard audience.memberCount > audience.live.count else { return audience.live }
        return audience.live + self.notLive.all.filter { $0.audience === audience }
    }

    /// Ends whoever follows this topic and others that are gone, and nothing else.
    func deleted(_ topic: TopicName, through id: Int64) {
        for audience in self.index.audiences(of: topic) {
            // Who watches from outside wants to know.
            if !audience.waiters.isEmpty { self.markDirty(audience) }
            guard audience.canEnd else { continue }
            let end = self.log.end(of: audience.filter)
            if let end, end.lastID > 0, audience.onlyTopic == nil {
                // Of its other topics there may be something to come.
                self.finish(audience, with: end)
                continue
            }
            // It may exist again by now: who follows it alone has still seen its end.
            guard end != nil || audience.onlyTopic != nil else { continue }
            let last = end?.last.reason == .deleted ? end?.last : nil
            let told =
                last
                ?? TopicEnd(
                    topic: topic,
                    reason: .deleted,
                    lastID: id,
                    timeMilliseconds: wallClockMilliseconds()
                )
            for subscription in self.members(of: audience) { self.end(subscription, with: told) }
        }
    }

    // MARK: - Ends

    /// How a filter has ended that has nothing but ended topics.
    ///
    /// Any thread.
    package func end(of filter: TopicFilter) -> FilterEnd? { self.log.end(of: filter) }

    /// Whether a filter has nothing but deleted topics.
    package func isDeleted(_ filter: TopicFilter) -> Bool {
        guard self.log.end(of: filter) != nil, let topics = filter.exactTopics else { return false }
        return topics.allSatisfy {
            self.log.end(of: TopicFilter(topic: $0))?.last.reason == .deleted
        }
    }

    /// Has whoever follows this topic and others that have ended, and nothing else, end when it has
    /// everything.
    func ended(_ topicEnd: TopicEnd) {
        for audience in self.index.audiences(of: topicEnd.topic) where audience.canEnd {
            // Others of its topics may go on, and the topic may have been reopened.
            guard let end = self.log.end(of: audience.filter) else { continue }
            self.finish(audience, with: end)
        }
    }

    /// Live ones end in the next pass, behind what is due to them; the others when they are live.
    private func finish(_ audience: Audience, with end: FilterEnd) {
        audience.end = end
        guard !audience.live.isEmpty || !audience.waiters.isEmpty else { return }
        audience.isEndDue = true
        self.markDirty(audience)
    }

    /// Ends a live subscription that has all there will be.
    func endIfComplete(_ subscription: Subscription) {
        let audience = subscription.audience
        guard subscription.liveIndex >= 0, let known = audience.end,
            let cursor = subscription.machine.cursor
        else { return }
        let passed = audience.passed(by: cursor, delivered: self.delivered)
        guard passed >= known.lastID else { return }
        // Asked again: reopened since, it goes on, and may have ended anew behind more messages.
        audience.end = self.log.end(of: audience.filter)
        guard let end = audience.end, passed >= end.lastID else { return }
        self.end(subscription, with: end.last)
    }

    /// Nothing more is written to it but its end, which comes in one of the next slices.
    func end(_ subscription: Subscription, with end: TopicEnd) {
        guard subscription.isOpen else { return }
        self.close(subscription)
        self.ending.append((subscription, end))
        self.scheduleSlice()
    }

    /// - Returns: How many ends were written.
    func writeEnds(atMost most: Int) -> Int {
        var written = 0
        while written < most, let (subscription, end) = self.ending.popFirst() {
            subscription.transport?.end(.ended(end))
            written += 1
        }
        return written
    }
}

extension FilterEnd {
    /// What is told to who has this cursor: nothing while there is something to come.
    package func reached(by cursor: Int64) -> TopicEnd? {
        cursor >= self.lastID ? self.last : nil
    }

    /// Whether nothing is to come for who starts here.
    package func leavesNothing(after start: StartPosition) -> Bool {
        switch start {
        case .live: true
        case .after(let cursor): cursor >= self.lastID
        // That its cursor is none is to be told, where there ever was something.
        case .unknown: self.lastID == 0
        case .tail(let count): count == 0 || self.lastID == 0
        }
    }
}
