/// Decides what becomes of a connection of the door when bodies are not wanted, requests are broken,
/// or clients wait to be asked for what they announced.
///
/// Pure: the handler says what was read and written, and does what it is told. Requests may be
/// pipelined; they are answered in order, so that an answer belongs to the request that is still
/// being read only when no other is unanswered.
struct ConnectionMachine: Sendable {
    private enum State: Sendable {
        case open
        /// The answer that is being written is the last. Next: `ended`.
        case ending
        /// What still comes is dropped, so that no reset overtakes the last answer (RFC 9112 §9.6).
        case ended
    }

    private enum Body: Equatable, Sendable {
        /// All that was announced has been read, or nothing was.
        case read
        /// `left` is nothing where the length is not known beforehand.
        case arriving(left: Int?)
        /// What came is no body: its reader knows by an error.
        case broken
    }

    /// What the head of a request says about its body and its connection.
    struct Request: Equatable, Sendable {
        /// Nothing where it is chunked.
        var length: Int?
        var awaitsContinue = false
        var asksForClose = false
    }

    private var state = State.open
    /// Requests whose answer has not been written to its end.
    private var unanswered = 0
    /// Of the last request.
    private var body = Body.read
    private var awaitsContinue = false
    private var asksForClose = false
    /// Why what came behind the last request is no HTTP; told when all before it is answered.
    private var failure: String?
    /// More for those who have shown the token: a client that is still sending may take the end of
    /// its connection for a failure, and lose the answer.
    var discardedBytesMax: Int

    /// - Parameter discardedBytesMax: A longer rest of a body that nobody wants ends the connection.
    init(discardedBytesMax: Int) {
        self.discardedBytesMax = discardedBytesMax
    }

    /// Whether nothing more is answered.
    var hasEnded: Bool { self.state == .ended }

    /// Whether the client is in the middle of a body that it sends unasked.
    var isBodyArriving: Bool {
        if case .arriving = self.body { return !self.awaitsContinue }
        return false
    }

    /// Whether what is read is passed on.
    private var isOpen: Bool { self.state == .open && self.failure == nil }

    /// - Returns: Whether the request is carried out.
    mutating func received(_ request: Request) -> Bool {
        guard self.isOpen, !self.asksForClose else { return false }
        self.unanswered += 1
        self.body = .arriving(left: request.length)
        self.awaitsContinue = request.awaitsContinue && request.length != 0
        self.asksForClose = request.asksForClose
        return true
    }

    /// - Returns: Whether somebody may want it.
    mutating func receivedBody(bytes: Int) -> Bool {
        guard self.isOpen, case .arriving(let left) = self.body else { return false }
        self.awaitsContinue = false
        self.body = .arriving(left: left.map { max(0, $0 - bytes) })
        return true
    }

    mutating func receivedEnd() -> Bool {
        guard self.isOpen, case .arriving = self.body else { return false }
        self.awaitsContinue = false
        self.body = .read
        return true
    }

    /// Whoever carries out a request is about to read its body.
    ///
    /// - Returns: Whether `100 Continue` is written.
    mutating func wantsBody() -> Bool {
        guard self.isOpen, self.awaitsContinue, self.unanswered == 1 else { return false }
        self.awaitsContinue = false
        return true
    }

    /// - Returns: Whether the answer that begins is the last, and has to say so.
    mutating func answers() -> Bool {
        guard self.state == .open, self.unanswered == 1 else { return self.state == .ending }
        guard self.asksForClose || self.isBodyTooMuch else { return false }
        self.state = .ending
        return true
    }

    private var isBodyTooMuch: Bool {
        switch self.body {
        case .read: false
        case .broken: true
        // A client that was not asked may send the body or not: nobody knows what comes next.
        case .arriving(let left):
            self.awaitsContinue || (left ?? .max) > self.discardedBytesMax
        }
    }

    enum AnsweredAction: Equatable {
        case none
        /// Nothing is written any more.
        case linger
        /// That what came behind it is no HTTP is the last answer.
        case refuse(String)
    }

    mutating func answered() -> AnsweredAction {
        assert(self.unanswered > 0, "every answer belongs to a request")
        self.unanswered -= 1
        switch self.state {
        case .ended: return .none
        case .ending:
            self.state = .ended
            return .linger
        case .open:
            guard self.unanswered == 0, let failure = self.failure else { return .none }
            self.state = .ended
            return .refuse(failure)
        }
    }

    enum FailedAction: Equatable {
        case none
        /// The reader of the body has to know, or would take half of it for the whole.
        case tellReader
        case linger
        case refuse(String)
    }

    /// What came is no HTTP.
    mutating func failed(_ reason: String) -> FailedAction {
        guard self.isOpen else { return .none }
        switch (self.body, self.unanswered) {
        case (.read, 0):
            self.state = .ended
            return .refuse(reason)
        case (.read, _):
            self.failure = reason
            return .none
        case (_, 0):
            // It was refused already, and its rest was to be read and dropped.
            self.state = .ended
            return .linger
        default:
            self.body = .broken
            return .tellReader
        }
    }
}
