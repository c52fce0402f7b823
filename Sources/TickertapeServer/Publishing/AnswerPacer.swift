/// Decides when the answers of a streaming publish are written.
///
/// Pure. At once to a client that waits for them before it sends more; to one that does not, those of
/// a moment together: a write costs as much for one answer as for a hundred. Which it is, is tried:
/// after some answers one is held back for a moment, and a client that goes on meanwhile does not
/// wait for it.
struct AnswerPacer {
    enum Action: Equatable {
        case write
        /// Write when this has passed.
        case hold(milliseconds: Int64)
        /// They are held back already.
        case none
    }

    /// Answers that are written at once before the client is tried, at first and at most.
    private static let promptCounts = (first: 16, most: 4_096)
    /// How long answers are held back to try the client, and from one that goes on.
    private static let milliseconds = (trial: Int64(40), steady: Int64(100))

    private var promptLeft = Self.promptCounts.first
    private var promptCount = Self.promptCounts.first
    private var isSteady = false
    private var isHolding = false
    private var hasGoneOn = false

    /// The client has sent another message.
    mutating func took() {
        if self.isHolding { self.hasGoneOn = true }
    }

    /// There are so many more answers.
    mutating func answered(_ count: Int) -> Action {
        guard !self.isHolding else { return .none }
        guard self.promptLeft <= 0 else {
            self.promptLeft -= count
            return .write
        }
        self.isHolding = true
        self.hasGoneOn = false
        let milliseconds = Self.milliseconds
        return .hold(milliseconds: self.isSteady ? milliseconds.steady : milliseconds.trial)
    }

    /// What was held back is written now.
    mutating func released() {
        guard self.isHolding else { return }
        self.isHolding = false
        self.isSteady = self.hasGoneOn
        // Who waits for answers is held up rarely, and ever more so.
        self.promptCount =
            self.isSteady
            ? Self.promptCounts.first : min(self.promptCount * 4, Self.promptCounts.most)
        self.promptLeft = self.isSteady ? 0 : self.promptCount
    }
}
