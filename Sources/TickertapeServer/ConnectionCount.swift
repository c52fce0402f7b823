import NIOCore
import Synchronization

/// How many connections and event streams are open, over all loops.
///
/// Any thread.
final class ConnectionCount: Sendable {
    private let connections = Atomic<Int>(0)
    private let streams = Atomic<Int>(0)
    private let emptied: EventLoopPromise<Void>
    private let isDraining = Atomic<Bool>(false)

    init(emptied: EventLoopPromise<Void>) {
        self.emptied = emptied
    }

    var current: Int { self.connections.load(ordering: .relaxed) }

    func opened() {
        self.connections.add(1, ordering: .sequentiallyConsistent)
    }

    func closed() {
        let left = self.connections.subtract(1, ordering: .sequentiallyConsistent).newValue
        assert(left >= 0, "a connection closes once")
        if left == 0 && self.isDraining.load(ordering: .sequentiallyConsistent) {
            self.emptied.succeed()
        }
    }

    /// From now on, being empty is told.
    func drain() {
        self.isDraining.store(true, ordering: .sequentiallyConsistent)
        if self.connections.load(ordering: .sequentiallyConsistent) == 0 {
            self.emptied.succeed()
        }
    }

    /// Those who wait for it to be empty wait no longer.
    func giveUp() {
        self.emptied.succeed()
    }

    /// - Returns: `false` when there are `max` streams already.
    func openStream(max: Int) -> Bool {
        if self.streams.add(1, ordering: .relaxed).newValue <= max { return true }
        self.closeStream()
        return false
    }

    func closeStream() {
        self.streams.subtract(1, ordering: .relaxed)
    }
}
