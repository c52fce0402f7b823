import Testing
import TickertapeCore
import TickertapeLog
import TickertapeTestSupport

/// Topics as plain lists, from which the machine has messages removed.
struct RetentionWalk: ~Copyable {
    private struct Topic {
        var messages: [(time: Int64, bytes: Int64)] = []
        var leftovers = 0
        var bounds: RetentionMachine.Bounds
        var holds = 0
        var ended: Int64?
        /// Removals from what is kept since leftovers were freed, and the other way round.
        var expiredTurns = 0
        var leftoversTurns = 0

        var bytes: Int64 { self.messages.reduce(0) { $0 + $1.bytes } }

        func isOverdue(at now: Int64) -> Bool {
            guard let ended = self.ended, let stay = self.bounds.endedMilliseconds else {
                return false
            }
            return ended + stay <= now
        }
    }

    private let seed: Seed
    private var random: SeededGenerator
    private var machine = RetentionMachine()
    private var topics: [Topic] = []
    private var now: Int64 = 1_000_000
    private(set) var isGood = true

    init(_ seed: Seed) {
        self.seed = seed
        self.random = seed.generator
    }

    private mutating func check(_ isRight: Bool, _ what: @autoclosure () -> String) {
        guard !isRight, self.isGood else { return }
        self.isGood = false
        Issue.record("\(what()), \(self.seed)")
    }

    private mutating func anyBounds() -> RetentionMachine.Bounds {
        var policy = PolicySet.fallback
        if self.random.oneIn(2) { policy.maxAgeSeconds = Int64(self.random.int(1...20)) }
        if self.random.oneIn(2) { policy.maxMessages = Int64(self.random.int(1...40)) }
        if self.random.oneIn(2) { policy.maxBytes = Int64(self.random.int(1...400)) }
        if self.random.oneIn(2) { policy.removesEndedAfterSeconds = Int64(self.random.int(1...9)) }
        return RetentionMachine.Bounds(policy)
    }

    mutating func step() {
        let index = self.topics.isEmpty ? 0 : self.random.int(0...self.topics.count - 1)
        switch self.random.int(0...99) {
        case 0...1 where self.topics.count < 12: self.add()
        case _ where self.topics.isEmpty: self.add()
        case 2: self.assign(index)
        case 3: self.purge(index)
        case 4: self.hold(index)
        case 5...6: self.release(index)
        case 7: self.end(index)
        case 8 where self.random.oneIn(4): self.reopen(index)
        case 9...50: self.append(index)
        case 51...70: self.now += Int64(self.random.int(0...400))
        default: self.remove()
        }
    }

    private mutating func add() {
        let bounds = self.anyBounds()
        self.topics.append(Topic(bounds: bounds))
        self.machine.add(
            messages: 0,
            bytes: 0,
            bounds: bounds,
            hasLeftovers: false,
            atMilliseconds: self.now
        )
    }

    private mutating func assign(_ index: Int) {
        self.topics[index].bounds = self.anyBounds()
        self.machine.assign(index, self.topics[index].bounds, atMilliseconds: self.now)
    }

    private mutating func end(_ index: Int) {
        guard self.topics[index].ended == nil else { return }
        self.topics[index].ended = self.now
        self.machine.ended(index, atMilliseconds: self.now)
    }

    private mutating func reopen(_ index: Int) {
        self.topics[index].ended = nil
        self.machine.reopened(index)
    }

    private mutating func append(_ index: Int) {
        guard self.topics[index].ended == nil else { return }
        let messages = (0..<self.random.int(1...3)).map { _ in
            (time: self.now, bytes: Int64(self.random.int(0...20)))
        }
        self.topics[index].messages += messages
        self.machine.appended(
            index,
            messages: Int64(messages.count),
            bytes: messages.reduce(0) { $0 + $1.bytes },
            atMilliseconds: self.now
        )
    }

    private mutating func purge(_ index: Int) {
        let count = self.random.int(0...self.topics[index].messages.count)
        let gone = self.topics[index].messages.prefix(count)
        self.topics[index].messages.removeFirst(count)
        self.topics[index].leftovers += count
        self.machine.purged(
            index,
            messages: Int64(count),
            bytes: gone.reduce(0) { $0 + $1.bytes }
        )
    }

    private mutating func hold(_ index: Int) {
        self.topics[index].holds += 1
        self.machine.hold(index)
    }

    private mutating func release(_ index: Int) {
        guard self.topics[index].holds > 0 else { return }
        self.topics[index].holds -= 1
        self.machine.release(index, atMilliseconds: self.now)
    }

    /// - Returns: `false` when nothing is due.
    @discardableResult
    private mutating func remove() -> Bool {
        guard let removal = self.machine.next(atMilliseconds: self.now) else { return false }
        let index =
            switch removal {
            case .leftovers(let index), .expired(let index, _, _, _), .topic(let index): index
            }
        self.check(self.topics[index].holds == 0, "removed from a topic on hold")
        self.checkTurn(index, removal)
        guard !self.random.oneIn(10) else {
            self.machine.failed(index, atMilliseconds: self.now)
            return true
        }
        switch removal {
        case .leftovers: self.free(index)
        case .topic: self.delete(index)
        case .expired(_, let messages, let bytes, let through):
            self.expire(index, messages, bytes, through)
        }
        self.check(
            self.machine.messages(index) == self.topics[index].messages.count
                && self.machine.bytes(index) == self.topics[index].bytes,
            "the counts of topic \(index) are wrong"
        )
        return true
    }

    /// Neither leftovers nor what is far over a policy wait for long.
    private mutating func checkTurn(_ index: Int, _ removal: RetentionMachine.Removal) {
        let topic = self.topics[index]
        if case .topic = removal { return }
        guard case .leftovers = removal else {
            self.topics[index].leftoversTurns = 0
            guard topic.leftovers > 0 else { return }
            self.topics[index].expiredTurns += 1
            self.check(topic.expiredTurns < 3, "leftovers of topic \(index) wait")
            return
        }
        let isFarOver = topic.messages.count > topic.bounds.messagesMax.addingHalf
        self.check(!isFarOver || topic.leftoversTurns == 0, "topic \(index) grows over its policy")
        self.topics[index].leftoversTurns = isFarOver ? 1 : 0
        self.topics[index].expiredTurns = 0
    }

    private mutating func delete(_ index: Int) {
        let topic = self.topics[index]
        self.check(topic.isOverdue(at: self.now), "topic \(index) was deleted that stays")
        self.machine.reopened(index)
        self.machine.purged(
            index,
            messages: Int64(topic.messages.count),
            bytes: topic.bytes
        )
        self.topics[index].leftovers += topic.messages.count
        self.topics[index].messages = []
        self.topics[index].ended = nil
    }

    private mutating func free(_ index: Int) {
        self.check(self.topics[index].leftovers >= 0, "no leftovers")
        self.topics[index].leftovers -= min(self.topics[index].leftovers, self.random.int(1...30))
        self.machine.freed(
            index,
            isDone: self.topics[index].leftovers == 0,
            atMilliseconds: self.now
        )
    }

    private mutating func expire(_ index: Int, _ most: Int64, _ mostBytes: Int64, _ through: Int64)
    {
        var (messages, bytes): (Int64, Int64) = (0, 0)
        var left = RetentionMachine.Left.nothing
        let step = self.random.int(1...10)
        while let oldest = self.topics[index].messages.first {
            guard messages < most || bytes < mostBytes || oldest.time <= through else {
                left = .oldest(oldest.time)
                break
            }
            guard messages < step else {
                left = .more
                break
            }
            let topic = self.topics[index]
            let isOver =
                topic.messages.count > topic.bounds.messagesMax
                || topic.bytes > topic.bounds.bytesMax
                || topic.bounds.ageMilliseconds.map { oldest.time <= self.now - $0 } ?? false
            self.check(isOver, "a message of topic \(index) was removed that is kept")
            self.topics[index].messages.removeFirst()
            messages += 1
            bytes += oldest.bytes
        }
        self.machine.removed(
            index,
            messages: messages,
            bytes: bytes,
            left: left,
            atMilliseconds: self.now
        )
    }

    /// Lets time pass until everything that is due has gone, and looks whether it has.
    mutating func settle() {
        for index in self.topics.indices {
            while self.topics[index].holds > 0 { self.release(index) }
        }
        for _ in 0..<100 {
            self.now += 1_000
            while self.remove() {}
        }
        for (index, topic) in self.topics.enumerated() {
            let isOld = topic.bounds.ageMilliseconds.map { age in
                topic.messages.contains { $0.time <= self.now - age }
            }
            let isOver =
                topic.messages.count > topic.bounds.messagesMax
                || topic.bytes > topic.bounds.bytesMax
            self.check(!isOver && isOld != true, "topic \(index) keeps more than it may")
            self.check(!topic.isOverdue(at: self.now), "topic \(index) ended long ago")
            self.check(topic.leftovers == 0, "rows of topic \(index) were not freed")
        }
        self.check(self.machine.dueCount == 0, "something is due for ever")
    }
}

extension Int64 {
    /// One and a half of it.
    fileprivate var addingHalf: Int64 { self == .max ? .max : self + self / 2 + 1 }
}
