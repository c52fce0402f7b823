/// Where a subscriber asks to start.
package enum StartPosition: Equatable, Sendable {
    /// Nothing given: only what is committed from now on.
    case live
    /// After this id; 0 is the beginning.
    case after(Int64)
    /// The last so many messages of each topic first.
    case tail(Int)
    /// A cursor was given that is no number.
    case unknown

    /// Reads a `Last-Event-ID` or `after`: plain decimal digits.
    ///
    /// A number too large for an id lies ahead of every log and is kept as the largest.
    package init(cursor text: some StringProtocol) {
        guard !text.isEmpty, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
            self = .unknown
            return
        }
        self = .after(Int64(text) ?? Int64.max)
    }
}

/// Messages after a cursor that no longer exist, as told to the subscriber.
package struct Gap: Equatable, Sendable {
    package enum Reason: String, Sendable {
        /// Removed by retention.
        case retention
        /// The cursor lies ahead of the log: it comes from another log or a lost timeline.
        case reset
        /// The cursor is not a number.
        case unknown
    }

    /// The cursor asked for; nothing when it was not a number.
    package let after: Int64?
    /// The first message that still exists after the gap, or the head when there is none.
    package let resumed: Int64
    package let reason: Reason
    /// The cursor the subscriber has once it knows of the gap.
    package let cursor: Int64

    package init(after: Int64?, resumed: Int64, reason: Reason, cursor: Int64) {
        self.after = after
        self.resumed = resumed
        self.reason = reason
        self.cursor = cursor
    }
}
