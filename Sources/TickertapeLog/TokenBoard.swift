import Synchronization
package import TickertapeCore

/// Where the tokens in force can be read at any time.
///
/// Any thread. The log writes it when a change is durable.
package final class TokenBoard: Sendable {
    private let tokens: Mutex<TokenSet>
    private let changes = Atomic<Int>(0)

    package init(_ tokens: TokenSet = TokenSet()) {
        self.tokens = Mutex(tokens)
    }

    /// Grows with each change, after it can be read.
    package var version: Int { self.changes.load(ordering: .acquiring) }

    package func token(hash: [UInt8]) -> StoredToken? {
        self.tokens.withLock { $0.token(hash: hash) }
    }

    package func token(id: Int64) -> StoredToken? { self.tokens.withLock { $0.token(id: id) } }

    package var current: TokenSet { self.tokens.withLock { $0 } }

    package func change(_ change: (inout TokenSet) -> Void) {
        self.tokens.withLock { change(&$0) }
        self.changes.add(1, ordering: .acquiringAndReleasing)
    }
}
