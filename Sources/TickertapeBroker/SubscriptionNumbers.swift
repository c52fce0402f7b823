import Synchronization

/// Numbers the subscriptions of a broker, over all its loops.
///
/// Any thread.
final class SubscriptionNumbers: Sendable {
    private let last = Atomic<Int64>(0)

    func next() -> Int64 {
        self.last.add(1, ordering: .relaxed).newValue
    }
}
