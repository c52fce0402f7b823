package import TickertapeCore

/// Decides from which topic messages are removed next, and how many.
///
/// Pure: no IO, no clock, no lock. Topics are numbered from 0 in the order in which they were
/// added. Knows how much each holds, what its policy keeps, and when it is to be looked at again,
/// so that a hundred thousand topics cost one pass over a column of numbers a second at most.
package struct RetentionMachine: ~Copyable {
    /// What a policy keeps of a topic.
    package struct Bounds: Equatable, Sendable {
        package var messagesMax = Int64.max
        package var bytesMax = Int64.max
        package var ageMilliseconds: Int64?
        /// How long the topic stays after it has ended.
        package var endedMilliseconds: Int64?

        package init(_ policy: Policy) {
            self.messagesMax = policy.maxMessages ?? .max
            self.bytesMax = policy.maxBytes ?? .max
            self.ageMilliseconds = policy.maxAgeSeconds.map(Self.milliseconds)
            self.endedMilliseconds = policy.removesEndedAfterSeconds.map(Self.milliseconds)
        }

        private static func milliseconds(_ seconds: Int64) -> Int64 {
            let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000)
            return overflow ? .max : product
        }

        /// Whether a topic may keep everything, for ever.
        var isOpen: Bool {
            self.messagesMax == .max && self.bytesMax == .max && self.ageMilliseconds == nil
                && self.endedMilliseconds == nil
        }

        /// When a topic that ended then goes as a whole; nothing: never.
        func due(_ endedMilliseconds: Int64) -> Int64? {
            guard let stay = self.endedMilliseconds else { return nil }
            let (due, overflow) = endedMilliseconds.addingReportingOverflow(stay)
            return overflow ? nil : due
        }
    }

    /// What to do next.
    package enum Removal: Equatable, Sendable {
        /// Frees rows of messages that are gone for everybody.
        case leftovers(Int)
        /// Removes the oldest messages of a topic: at least so many, and of at least so many bytes,
        /// and all that were committed then or before.
        case expired(Int, messages: Int64, bytes: Int64, throughMilliseconds: Int64)
        /// Deletes a topic that ended long ago, with everything in it.
        case topic(Int)
    }

    /// What a topic has after a removal.
    package enum Left: Equatable, Sendable {
        /// More to remove: the step was bounded.
        case more
        /// Its oldest message was committed then.
        case oldest(Int64)
        case nothing
    }

    private struct Topic {
        var messages: Int64
        var bytes: Int64
        var bounds: Bounds
        /// It is in line.
        var isWaiting = false
        var hasLeftovers: Bool
        /// When it ended, if it has.
        var endedMilliseconds: Int64?
        /// Its look has come, and nothing was removed since.
        var isLookDue = false
        /// Removals of other messages since leftovers were freed.
        var expiredTurns = 0
        /// Who counts its messages and needs them to stay.
        var holds = 0
    }

    private var topics: [Topic] = []
    /// When each topic is to be looked at; never: `Int64.max`.
    private var looks: [Int64] = []
    /// No look is due before.
    private var nextLook = Int64.max
    private var lastLook = Int64.min
    private var line: [Int] = []
    private var lineStart = 0

    /// Looks are this far apart; a topic a little over its bounds waits for the next.
    package static let lookMilliseconds: Int64 = 1_000
    /// A topic over its bounds by one in so many is due at once.
    ///
    /// Taking a few messages from each of many topics in every transaction would cost more than
    /// the messages.
    package static let toleratedShare: Int64 = 16

    /// A topic that is over its bounds while it has leftovers gets so many turns for what is over,
    /// then one for these: as they are freed, it still keeps what its policy says.
    package static let expiredTurnsMax = 3

    package init() {}

    package var topicCount: Int { self.topics.count }
    /// Topics in line.
    package var dueCount: Int { self.line.count - self.lineStart }
    package func messages(_ topic: Int) -> Int64 { self.topics[topic].messages }
    package func bytes(_ topic: Int) -> Int64 { self.topics[topic].bytes }

    /// Adds a topic that holds this much.
    package mutating func add(
        messages: Int64,
        bytes: Int64,
        bounds: Bounds,
        hasLeftovers: Bool,
        atMilliseconds now: Int64
    ) {
        self.topics.append(
            Topic(messages: messages, bytes: bytes, bounds: bounds, hasLeftovers: hasLeftovers)
        )
        self.looks.append(.max)
        self.lookAtAge(self.topics.count - 1, now)
        self.lineUpIfDue(self.topics.count - 1, now)
    }

    /// Another policy applies to a topic.
    package mutating func assign(_ topic: Int, _ bounds: Bounds, atMilliseconds now: Int64) {
        guard self.topics[topic].bounds != bounds else { return }
        self.topics[topic].bounds = bounds
        self.looks[topic] = .max
        self.lookAtAge(topic, now)
        self.lookAtEnd(topic)
        self.lineUpIfDue(topic, now)
    }

    /// A topic ended then.
    package mutating func ended(_ topic: Int, atMilliseconds time: Int64) {
        self.topics[topic].endedMilliseconds = time
        self.lookAtEnd(topic)
    }

    /// A topic takes messages again, or was deleted: it does not go for having ended.
    package mutating func reopened(_ topic: Int) {
        self.topics[topic].endedMilliseconds = nil
    }

    /// Messages were committed then.
    package mutating func appended(
        _ topic: Int,
        messages: Int64,
        bytes: Int64,
        atMilliseconds time: Int64
    ) {
        let wasEmpty = self.topics[topic].messages == 0
        self.topics[topic].messages += messages
        self.topics[topic].bytes += bytes
        guard !self.topics[topic].bounds.isOpen else { return }
        if wasEmpty, let age = self.topics[topic].bounds.ageMilliseconds {
            self.look(topic, at: time.addingReportingOverflow(age))
        }
        self.lineUpIfDue(topic, time)
    }

    /// This much of a topic is gone for everybody; its rows are to be freed.
    package mutating func purged(_ topic: Int, messages: Int64, bytes: Int64) {
        self.lower(topic, messages, bytes)
        self.topics[topic].hasLeftovers = true
        self.lineUp(topic)
    }

    /// Somebody counts the messages of a topic: none is removed until all have released it.
    package mutating func hold(_ topic: Int) {
        self.topics[topic].holds += 1
    }

    package mutating func release(_ topic: Int, atMilliseconds now: Int64) {
        precondition(self.topics[topic].holds > 0, "released more often than held")
        self.topics[topic].holds -= 1
        self.look(topic, at: (now, false))
    }

    /// The next removal; its outcome is told by `removed`, `freed`, `purged` or `failed`.
    package mutating func next(atMilliseconds now: Int64) -> Removal? {
        self.lookAround(atMilliseconds: now)
        while self.lineStart < self.line.count {
            let topic = self.line[self.lineStart]
            self.lineStart += 1
            self.topics[topic].isWaiting = false
            if let removal = self.removal(topic, now) {
                self.shortenLine()
                return removal
            }
        }
        self.shortenLine()
        return nil
    }

    /// Messages of a topic were removed.
    package mutating func removed(
        _ topic: Int,
        messages: Int64,
        bytes: Int64,
        left: Left,
        atMilliseconds now: Int64
    ) {
        self.lower(topic, messages, bytes)
        switch left {
        case .more: self.lineUp(topic)
        case .oldest(let time):
            if let age = self.topics[topic].bounds.ageMilliseconds {
                self.look(topic, at: time.addingReportingOverflow(age))
            }
            self.lineUpIfDue(topic, now)
        case .nothing:
            // Should others have removed some too, the count is right again.
            self.topics[topic].messages = 0
            self.topics[topic].bytes = 0
            if self.topics[topic].hasLeftovers { self.lineUp(topic) }
        }
    }

    /// Rows of a topic were freed.
    package mutating func freed(_ topic: Int, isDone: Bool, atMilliseconds now: Int64) {
        guard isDone else {
            self.lineUp(topic)
            return
        }
        self.topics[topic].hasLeftovers = false
        self.lookAtAge(topic, now)
        self.lineUpIfDue(topic, now)
    }

    /// Nothing was removed: it is tried again later.
    package mutating func failed(_ topic: Int, atMilliseconds now: Int64) {
        self.look(topic, at: (now + Self.lookMilliseconds, false))
    }

    private mutating func removal(_ topic: Int, _ now: Int64) -> Removal? {
        let state = self.topics[topic]
        // Looked at again when it is released.
        guard state.holds == 0 else { return nil }
        if let due = self.due(topic) {
            if due <= now {
                self.topics[topic].isLookDue = false
                return .topic(topic)
            }
            // The look that led here may have been the one for it.
            self.look(topic, at: (due, false))
        }
        let expired = self.expired(topic, now)
        if state.hasLeftovers {
            let isDue = state.isLookDue || self.isFarOver(topic)
            guard expired != nil, isDue, state.expiredTurns < Self.expiredTurnsMax else {
                self.topics[topic].expiredTurns = 0
                return .leftovers(topic)
            }
            self.topics[topic].expiredTurns += 1
        }
        self.topics[topic].isLookDue = false
        return expired
    }

    private func due(_ topic: Int) -> Int64? {
        let state = self.topics[topic]
        return state.endedMilliseconds.flatMap { state.bounds.due($0) }
    }

    private mutating func lookAtEnd(_ topic: Int) {
        guard let due = self.due(topic) else { return }
        self.look(topic, at: (due, false))
    }

    private func expired(_ topic: Int, _ now: Int64) -> Removal? {
        let state = self.topics[topic]
        guard state.messages > 0 else { return nil }
        let messages = max(0, state.messages - state.bounds.messagesMax)
        let bytes = max(0, state.bytes - state.bounds.bytesMax)
        guard messages > 0 || bytes > 0 || state.bounds.ageMilliseconds != nil else { return nil }
        return .expired(
            topic,
            messages: messages,
            bytes: bytes,
            throughMilliseconds: state.bounds.ageMilliseconds.map { now - $0 } ?? .min
        )
    }

    private func isFarOver(_ topic: Int) -> Bool {
        let state = self.topics[topic]
        let bounds = state.bounds
        return state.messages - bounds.messagesMax > bounds.messagesMax / Self.toleratedShare
            || state.bytes - bounds.bytesMax > bounds.bytesMax / Self.toleratedShare
    }

    private mutating func lower(_ topic: Int, _ messages: Int64, _ bytes: Int64) {
        self.topics[topic].messages = max(0, self.topics[topic].messages - messages)
        self.topics[topic].bytes = max(0, self.topics[topic].bytes - bytes)
    }

    /// How old the oldest message is has to be found out.
    private mutating func lookAtAge(_ topic: Int, _ now: Int64) {
        guard self.topics[topic].bounds.ageMilliseconds != nil, self.topics[topic].messages > 0
        else { return }
        self.look(topic, at: (now, false))
    }

    private mutating func look(_ topic: Int, at time: (partialValue: Int64, overflow: Bool)) {
        guard !time.overflow else { return }
        self.looks[topic] = min(self.looks[topic], time.partialValue)
        self.nextLook = min(self.nextLook, time.partialValue)
    }

    private mutating func lineUpIfDue(_ topic: Int, _ now: Int64) {
        let state = self.topics[topic]
        let isOver =
            state.messages > state.bounds.messagesMax || state.bytes > state.bounds.bytesMax
        if state.hasLeftovers || self.isFarOver(topic) { self.lineUp(topic) }
        if isOver, !self.isFarOver(topic) {
            self.look(topic, at: (now + Self.lookMilliseconds, false))
        }
    }

    private mutating func lineUp(_ topic: Int) {
        guard !self.topics[topic].isWaiting else { return }
        self.topics[topic].isWaiting = true
        self.line.append(topic)
    }

    /// Lines up every topic whose look is due.
    package mutating func lookAround(atMilliseconds now: Int64) {
        if now < self.lastLook {
            // The clock went back: when what is due is not known any more.
            for topic in self.topics.indices where !self.topics[topic].bounds.isOpen {
                self.looks[topic] = now
            }
            self.nextLook = now
            self.lastLook = .min
        }
        let isTime = self.lastLook == .min || now - self.lastLook >= Self.lookMilliseconds
        guard now >= self.nextLook, isTime else { return }
        self.lastLook = now
        self.nextLook = .max
        for topic in self.looks.indices where self.looks[topic] != .max {
            if self.looks[topic] <= now {
                self.looks[topic] = .max
                self.topics[topic].isLookDue = true
                self.lineUp(topic)
            } else {
                self.nextLook = min(self.nextLook, self.looks[topic])
            }
        }
    }

    private mutating func shortenLine() {
        if self.lineStart == self.line.count {
            self.line.removeAll(keepingCapacity: true)
            self.lineStart = 0
        } else if self.lineStart > 1_024 {
            self.line.removeFirst(self.lineStart)
            self.lineStart = 0
        }
    }
}
