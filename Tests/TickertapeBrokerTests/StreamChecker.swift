import Foundation
import TickertapeCore
import TickertapeTestSupport

/// Everything that was ever committed, in order: what subscribers are measured by.
final class CommittedHistory {
    private(set) var messages: [Message] = []
    private var removed: Set<Int64> = []
    /// How often each topic has ended or was deleted.
    private(set) var endings: [TopicName: Int] = [:]
    private var lastEnds: [TopicName: TopicEnd] = [:]

    /// The message with this id; ids are 1, 2, 3 and so on.
    subscript(id: Int64) -> Message? {
        (1...Int64(max(1, self.messages.count))).contains(id) && !self.messages.isEmpty
            ? self.messages[Int(id) - 1] : nil
    }

    var head: Int64 { Int64(self.messages.count) }

    func append(_ message: Message) {
        precondition(message.id == self.head + 1, "the simulated log leaves out no id")
        self.messages.append(message)
    }

    func remove(_ id: Int64) {
        self.removed.insert(id)
    }

    /// The messages of a topic are gone up to `id`.
    func remove(_ topic: TopicName, through id: Int64) {
        for message in self.messages where message.topic == topic && message.id <= id {
            self.removed.insert(message.id)
        }
    }

    func delete(_ topic: TopicName) {
        self.endings[topic, default: 0] += 1
        self.remove(topic, through: self.head)
    }

    /// A topic has ended; told again as long as nothing has changed.
    func note(_ end: TopicEnd) {
        guard self.lastEnds[end.topic] != end else { return }
        self.lastEnds[end.topic] = end
        self.endings[end.topic, default: 0] += 1
    }

    /// The messages of `filter` whose data make `data`, of which the last has this id.
    ///
    /// Each is known by its data; whether one in between may be missing is for others to say.
    func joined(endingAt id: Int64, _ data: String, _ filter: TopicFilter) -> [Message]? {
        guard let last = self[id] else { return nil }
        var rest = data[...]
        var found: [Message] = []
        for message in self.messages[..<Int(id)].reversed() where filter.matches(message.topic) {
            guard message.topic == last.topic, message.event == last.event,
                rest.hasSuffix(message.data)
            else { continue }
            rest.removeLast(message.data.count)
            found.append(message)
            if rest.isEmpty { return found.reversed() }
        }
        return nil
    }

    func isRemoved(_ id: Int64) -> Bool { self.removed.contains(id) }

    /// How many messages of the topic of `message` come after it, up to `end`.
    func followers(of message: Message, through end: Int64) -> Int {
        self.messages[Int(message.id)..<Int(end)].count { $0.topic == message.topic }
    }
}

/// Checks one event stream block by block: nothing left out, nothing twice, nothing unasked.
struct StreamChecker {
    private let filter: TopicFilter
    private let history: CommittedHistory
    /// The heads that a tail may have been counted from; empty when it is no tail.
    private var tailEnds: [Int64] = []
    private let tailCount: Int
    private let isTail: Bool

    /// Everything selected up to here has come.
    private(set) var through: Int64
    /// The id of the last complete block.
    private(set) var lastID: Int64?
    private(set) var messageCount = 0
    private var gaps: [Gap] = []
    private var toldFrom: Int64?
    /// What a gap has said the next message is.
    private var announced: Int64?
    /// What is allowed before anything else.
    private var expectedGap: Gap.Reason?
    private let start: StartPosition
    private let openedAt: Int64
    private let coalesces: Bool

    init(
        _ filter: TopicFilter,
        from start: StartPosition,
        coalesces: Bool,
        _ history: CommittedHistory
    ) {
        self.filter = filter
        self.coalesces = coalesces
        self.start = start
        self.history = history
        self.openedAt = history.head
        var count: Int?
        switch start {
        case .live: self.through = history.head
        case .after(let cursor) where cursor <= history.head: self.through = cursor
        case .after:
            self.through = history.head
            self.expectedGap = .reset
        case .unknown:
            self.through = history.head
            self.expectedGap = .unknown
        case .tail(let asked):
            self.through = 0
            count = asked
        }
        self.tailCount = count ?? 0
        self.isTail = count != nil
    }

    /// For a person who looks for the reason.
    var summary: String {
        """
        \(self.filter.patterns) from \(self.start) at head \(self.openedAt), complete through \
        \(self.through), last id \(self.lastID ?? -1), gaps told \(self.gaps)
        """
    }

    /// - Returns: What is wrong with it, if something is.
    mutating func take(_ item: EventStreamParser.Item) -> String? {
        switch item {
        case .retry, .comment: return nil
        case .unknown(let line): return "the line '\(line)'"
        case .cursor(let id): return self.block(id) { $0.reach($1, due: nil) }
        case .message(let id, "tickertape.gap", let data):
            return self.block(id) { $0.gap(data, cursor: $1) }
        case .message(let id, let event, let data):
            return self.block(id) { $0.message($1, event, data) }
        }
    }

    /// Whether everything has come, now that nothing is on its way.
    mutating func missing() -> String? {
        if self.isTail, self.tailEnds.isEmpty {
            self.tailEnds = Array(self.openedAt...self.history.head)
        }
        return self.reach(self.history.head, due: nil).map { "at the end: \($0)" }
    }

    /// Whether everything up to `id` has come, where a stream has ended.
    mutating func missing(through id: Int64) -> String? {
        guard id > self.through else { return nil }
        return self.reach(id, due: nil).map { "ended too early: \($0)" }
    }

    private mutating func block(
        _ text: String,
        _ check: (inout StreamChecker, Int64) -> String?
    ) -> String? {
        guard let id = Int64(text) else { return "the id '\(text)'" }
        if self.isTail, self.tailEnds.isEmpty {
            self.tailEnds = Array(self.openedAt...max(self.openedAt, self.history.head))
        }
        if id < self.lastID ?? 0 { return "id \(id) after \(self.lastID ?? 0)" }
        if let wrong = check(&self, id) { return wrong }
        self.lastID = id
        return nil
    }

    private mutating func message(_ id: Int64, _ event: String, _ data: String) -> String? {
        guard let message = self.history[id] else { return "message \(id), which nobody sent" }
        if self.coalesces, data != message.data { return self.joined(message, event, data) }
        guard id > self.through else { return "message \(id) again, after \(self.through)" }
        guard self.filter.matches(message.topic) else { return "\(id) of \(message.topic)" }
        guard event == message.event ?? "", data == message.data else { return "content of \(id)" }
        if let announced = self.announced, announced != id {
            return "message \(id), but the gap has said \(announced)"
        }
        self.announced = nil
        self.messageCount += 1
        return self.reach(id, due: message)
    }

    private mutating func joined(_ last: Message, _ event: String, _ data: String) -> String? {
        guard event == last.event ?? "",
            let messages = self.history.joined(endingAt: last.id, data, self.filter)
        else { return "what is joined in \(last.id)" }
        for message in messages {
            if let wrong = self.message(message.id, event, message.data) { return wrong }
        }
        return nil
    }

    private mutating func gap(_ data: String, cursor: Int64) -> String? {
        guard let object = try? JSONSerialization.jsonObject(with: Data(data.utf8)),
            let fields = object as? [String: Any],
            let reason = (fields["reason"] as? String).flatMap(Gap.Reason.init),
            let resumed = (fields["resumed"] as? NSNumber)?.int64Value
        else { return "the gap \(data)" }
        let after = (fields["after"] as? NSNumber)?.int64Value
        self.gaps.append(Gap(after: after, resumed: resumed, reason: reason, cursor: cursor))
        if reason != .retention {
            guard self.expectedGap == reason else { return "a gap nobody asked for: \(data)" }
            self.expectedGap = nil
            return cursor == resumed && cursor >= self.through
                ? nil : "the gap \(data) at \(cursor)"
        }
        guard let after else { return "a gap after nothing: \(data)" }
        self.toldFrom = min(self.toldFrom ?? after, after)
        self.announced = resumed > cursor ? resumed : nil
        return self.reach(cursor, due: nil)
    }

    /// Goes on to `id`; everything selected in between must be `due` or have a reason to be missing.
    private mutating func reach(_ id: Int64, due: Message?) -> String? {
        if self.expectedGap != nil { return "\(id) before the gap that was due" }
        guard id >= self.through else {
            return id == self.lastID ? nil : "\(id) behind \(self.through)"
        }
        guard id <= self.history.head else { return "\(id) ahead of the log" }
        while self.through < id {
            self.through += 1
            guard let message = self.history[self.through], self.filter.matches(message.topic)
            else {
                continue
            }
            if let due, due.id == message.id {
                if self.isTail { self.keepEnds { !$0.isBefore($1, message) } }
            } else if self.mayBeMissing(message) {
                continue
            } else {
                self.keepEnds { $0.isBefore($1, message) }
            }
            if self.isTail ? self.tailEnds.isEmpty : due?.id != message.id {
                return "message \(message.id) is left out before \(id)"
            }
        }
        return nil
    }

    private func mayBeMissing(_ message: Message) -> Bool {
        self.history.isRemoved(message.id) && (self.toldFrom.map { $0 < message.id } ?? false)
    }

    private mutating func keepEnds(_ isPossible: (StreamChecker, Int64) -> Bool) {
        let checker = self
        self.tailEnds = self.tailEnds.filter { isPossible(checker, $0) }
    }

    /// Whether a tail counted from `end` begins behind `message`.
    private func isBefore(_ end: Int64, _ message: Message) -> Bool {
        message.id <= end && self.history.followers(of: message, through: end) >= self.tailCount
    }
}
