package import TickertapeCore

/// Decides what goes into one transaction.
///
/// Pure: no IO, no clock, no lock. Everything that waits goes in, until a bound is met; an idle
/// writer commits a single message at once.
package struct GroupCommitMachine: ~Copyable {
    private enum State: ~Copyable {
        /// No transaction. Next: `open`.
        case idle
        /// A transaction with this much in it. Next: `open`, `idle`.
        case open(messages: Int, bytes: Int, sinceMilliseconds: Int64)
    }

    private var state: State
    private let limits: Limits

    package init(limits: Limits) {
        self.init(.idle, limits)
    }

    private init(_ state: consuming State, _ limits: Limits) {
        self.state = state
        self.limits = limits
    }

    /// Messages of the open transaction.
    package var messageCount: Int {
        switch self.state {
        case .idle: 0
        case .open(let messages, _, _): messages
        }
    }

    package enum OfferedAction: Equatable {
        /// Open a transaction and insert.
        case begin
        /// Insert into the open transaction.
        case insert
        /// Commit first, then offer again.
        case commit
    }

    /// A submission waits; it is never split.
    package mutating func offered(
        messages: Int,
        bytes: Int,
        atMilliseconds now: Int64
    ) -> OfferedAction {
        let limits = self.limits
        switch consume self.state {
        case .idle:
            self = .init(
                .open(messages: messages, bytes: bytes, sinceMilliseconds: now),
                limits
            )
            return .begin
        case .open(let messagesSoFar, let bytesSoFar, let since):
            let fits =
                messagesSoFar + messages <= limits.batchMessagesMax
                && bytesSoFar + bytes <= limits.batchBytesMax
                && now - since < Int64(limits.batchMilliseconds)
            guard fits else {
                self = .init(
                    .open(
                        messages: messagesSoFar,
                        bytes: bytesSoFar,
                        sinceMilliseconds: since
                    ),
                    limits
                )
                return .commit
            }
            self = .init(
                .open(
                    messages: messagesSoFar + messages,
                    bytes: bytesSoFar + bytes,
                    sinceMilliseconds: since
                ),
                limits
            )
            return .insert
        }
    }

    package enum QueueEmptyAction: Equatable {
        case commit
        case wait
    }

    /// Nothing waits any more: there is no reason to keep publishers waiting for company.
    package mutating func queueEmpty() -> QueueEmptyAction {
        let limits = self.limits
        switch consume self.state {
        case .idle:
            self = .init(.idle, limits)
            return .wait
        case .open(let messages, let bytes, let since):
            self = .init(
                .open(messages: messages, bytes: bytes, sinceMilliseconds: since),
                limits
            )
            return .commit
        }
    }

    /// The transaction is over, committed or rolled back.
    package mutating func ended() {
        let limits = self.limits
        switch consume self.state {
        case .idle: preconditionFailure("a transaction ended that had not begun")
        case .open: self = .init(.idle, limits)
        }
    }
}
