import Synchronization
import TickertapeCore

/// What the threads of one log share.
///
/// Any thread.
final class LogShared: Sendable {
    let queue: WriteQueue
    let catalog = TopicCatalog()
    let tokens: TokenBoard
    /// The largest id that is durable.
    let head: Atomic<Int64>
    let isWritable = Atomic<Bool>(true)
    let counters = Mutex(LogCounters())
    let pagesRead = Atomic<Int>(0)
    private let policiesInForce: Mutex<PolicySet>
    private let observer = Mutex<Observer?>(nil)

    /// A function in a box: taken out of a `Mutex` bare, it would be wrapped once more each time.
    private struct Observer {
        let observe: @Sendable (Announcement) -> Void
    }

    init(
        head: Int64,
        policies: PolicySet = PolicySet(),
        tokens: TokenSet = TokenSet(),
        limits: Limits
    ) {
        self.queue = WriteQueue(limits: limits)
        self.tokens = TokenBoard(tokens)
        self.head = Atomic(head)
        self.policiesInForce = Mutex(policies)
    }

    var policies: PolicySet {
        get { self.policiesInForce.withLock { $0 } }
        set { self.policiesInForce.withLock { $0 = newValue } }
    }

    func announce(to observer: @escaping @Sendable (Announcement) -> Void) {
        self.observer.withLock {
            precondition($0 == nil, "the observer is set once")
            $0 = Observer(observe: observer)
        }
    }

    func announce(_ announcement: Announcement) {
        let observer = self.observer.withLock { $0 }
        observer?.observe(announcement)
    }
}
