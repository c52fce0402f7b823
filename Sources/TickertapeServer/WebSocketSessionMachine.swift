/// Decides what a WebSocket connection may do next.
///
/// Pure: no IO, no clock, no lock.
struct WebSocketSessionMachine: ~Copyable {
    private enum State {
        /// Commands are taken. Next: `draining`, `closing`, `ended`.
        case open
        /// No more commands; publishes in flight are still answered. Next: `closing`, `ended`.
        case draining
        /// Our close is out, the peer's is awaited. Next: `ended`.
        case closing
        /// Nothing is written any more.
        case ended
    }

    private var state = State.open
    private var unansweredCount = 0
    private var unansweredBytes = 0
    private var wasHeard = true
    /// Whether anything has come from the peer yet.
    private(set) var hasBeenHeard = false
    private var unansweredPings = 0
    private let countMax: Int
    private let bytesMax: Int
    private let pingsMax: Int

    init(countMax: Int, bytesMax: Int, pingsMax: Int) {
        self.countMax = countMax
        self.bytesMax = bytesMax
        self.pingsMax = pingsMax
    }

    /// Whether the next message of the peer may be looked at.
    var takesMessages: Bool {
        switch self.state {
        case .open: self.unansweredCount < self.countMax && self.unansweredBytes < self.bytesMax
        case .closing: true
        case .draining, .ended: false
        }
    }

    /// Whether commands are carried out, or only the peer's close is of interest.
    var takesCommands: Bool {
        switch self.state {
        case .open: true
        case .draining, .closing, .ended: false
        }
    }

    /// Whether nothing has said that it shall end by a deadline.
    var isOpen: Bool {
        switch self.state {
        case .open, .draining: true
        case .closing, .ended: false
        }
    }

    var hasEnded: Bool {
        switch self.state {
        case .ended: true
        case .open, .draining, .closing: false
        }
    }

    // MARK: - Publishes

    mutating func published(bytes: Int) {
        self.unansweredCount += 1
        self.unansweredBytes += bytes
    }

    enum AnsweredAction: Equatable {
        /// The last publish before the end is answered: say goodbye.
        case farewell
        case none
    }

    mutating func answered(bytes: Int) -> AnsweredAction {
        self.unansweredCount -= 1
        self.unansweredBytes -= bytes
        precondition(self.unansweredCount >= 0 && self.unansweredBytes >= 0, "answered twice")
        switch self.state {
        case .draining where self.unansweredCount == 0:
            self.state = .closing
            return .farewell
        case .open, .draining, .closing, .ended: return .none
        }
    }

    // MARK: - Ends

    /// The broker stops: what is in flight is answered first.
    mutating func drain() -> AnsweredAction {
        switch self.state {
        case .open where self.unansweredCount == 0:
            self.state = .closing
            return .farewell
        case .open:
            self.state = .draining
            return .none
        case .draining, .closing, .ended: return .none
        }
    }

    enum CloseAction: Equatable {
        /// Write a close, then end our side.
        case closeAndEnd
        /// Write a close and wait for the peer's.
        case close
        /// The peer has answered our close: end our side.
        case end
        case none
    }

    /// The connection cannot go on: what the peer sends is not understood any more.
    mutating func failed() -> CloseAction {
        switch self.state {
        case .open, .draining:
            self.state = .ended
            return .closeAndEnd
        case .closing:
            self.state = .ended
            return .end
        case .ended: return .none
        }
    }

    /// The broker cannot go on with it for now.
    mutating func close() -> CloseAction {
        switch self.state {
        case .open, .draining:
            self.state = .closing
            return .close
        case .closing, .ended: return .none
        }
    }

    /// The peer's close has come: it is answered with the same code (RFC 6455 §5.5.1).
    mutating func peerClosed() -> CloseAction {
        self.failed()
    }

    // MARK: - Liveness

    /// Anything came from the peer.
    mutating func heard() {
        self.wasHeard = true
        self.hasBeenHeard = true
        self.unansweredPings = 0
    }

    enum BeatAction: Equatable {
        case ping
        /// The peer is gone.
        case drop
        case none
    }

    /// A heartbeat is due; a peer that is not read from, or not written to, is not judged.
    mutating func beat(canBeHeard: Bool) -> BeatAction {
        switch self.state {
        case .open, .draining: break
        case .closing, .ended: return .none
        }
        guard canBeHeard, !self.wasHeard else {
            self.wasHeard = false
            if !canBeHeard { self.unansweredPings = 0 }
            return .none
        }
        guard self.unansweredPings < self.pingsMax else { return .drop }
        self.unansweredPings += 1
        return .ping
    }
}
