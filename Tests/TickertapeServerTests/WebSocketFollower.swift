import TickertapeCore

/// One subscription of a walk, by what its client was told: nothing left out, nothing twice,
/// nothing unasked.
struct WebSocketFollower {
    enum Start {
        case live
        case after(Int64)
        case tail(Int)
    }

    private enum State {
        /// No reply yet.
        case asked
        case open
        case ended
    }

    let name: String
    private let filter: TopicFilter
    private let start: Start
    private var state = State.asked
    /// The head of its start.
    private var head: Int64 = 0
    private var ids: [Int64] = []
    private var lastID: Int64 = 0
    private var hasCaughtUp = false

    init(_ name: String, _ filter: TopicFilter, from start: Start) {
        self.name = name
        self.filter = filter
        self.start = start
    }

    var isOpen: Bool { self.state == .open }

    /// The command that begins it.
    var command: String {
        let more =
            switch self.start {
            case .live: ""
            case .after(let cursor): #","after":\#(cursor)"#
            case .tail(let count): #","tail":\#(count)"#
            }
        let topics = self.filter.patterns.map { "\"\($0.text)\"" }.joined(separator: ",")
        return #"{"type":"subscribe","topics":[\#(topics)],"subscription":"\#(self.name)"\#(more)}"#
    }

    /// Takes a frame for it, word by word.
    ///
    /// - Returns: What is wrong with it, if something is.
    mutating func take(_ words: [String], _ messages: [Message]) -> String? {
        switch (words[0], self.state) {
        case ("subscribed", .asked):
            self.state = .open
            self.head = Int64(words[2].dropFirst(5)) ?? -1
            return nil
        case ("unsubscribed", .open):
            self.state = .ended
            return nil
        case ("message", .open):
            guard let id = Int64(words[2]), id > self.lastID else { return "an id again" }
            (self.lastID, self.ids) = (id, self.ids + [id])
            guard let message = messages.first(where: { $0.id == id }),
                self.filter.matches(message.topic)
            else { return "a message nobody asked for" }
            return words[3] == message.topic.text && words[4] == message.data
                ? nil : "another content"
        case ("caught_up", .open):
            guard !self.hasCaughtUp else { return "caught up twice" }
            self.hasCaughtUp = true
            return self.reach(words)
        case ("cursor", .open): return self.reach(words)
        default: return "unexpected"
        }
    }

    private mutating func reach(_ words: [String]) -> String? {
        guard let id = Int64(words[2]), id >= self.lastID else { return "a cursor goes back" }
        self.lastID = id
        return nil
    }

    /// What is missing, now that everything has come to rest.
    func missing(_ messages: [Message]) -> String? {
        if case .asked = self.state { return "no reply" }
        guard self.isOpen else { return nil }
        guard self.hasCaughtUp else { return "not caught up" }
        let selected = messages.filter { self.filter.matches($0.topic) }.map(\.id)
        let isComplete =
            switch self.start {
            case .live: self.ids == selected.filter { $0 > self.head }
            case .after(let cursor): self.ids == selected.filter { $0 > cursor }
            case .tail(let count): self.isTail(of: selected, count)
            }
        return isComplete ? nil : "has \(self.ids) of \(selected), head \(self.head)"
    }

    /// A tail was counted from some head since it was asked for.
    private func isTail(of selected: [Int64], _ count: Int) -> Bool {
        let counts = min(count, selected.count)...(count + selected.count { $0 > self.head })
        return counts.contains(self.ids.count) && self.ids == selected.suffix(self.ids.count)
    }
}
