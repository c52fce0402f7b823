import NIOCore
import TickertapeCore
import TickertapeWire

/// The subscriptions of one loop that want the same topics.
///
/// Confined to its event loop. They share what is written: the frames that wait are joined once
/// for all who stand at the same place.
final class Audience {
    let filter: TopicFilter

    /// Those who get batches as they come.
    private(set) var live: [Subscription] = []
    /// Requests that wait for the next message; told once.
    var waiters: [HistoryWaiter] = []
    /// Every subscription that uses this audience, live or not.
    var memberCount = 0

    /// Messages not yet written to everybody, by their place among the recent ones.
    private var pending: [RecentBatches.Position] = []
    /// The last id that should have been delivered and is no longer kept in memory.
    private(set) var evictedThrough: Int64 = 0

    /// Whether it stands in the queue of those to be served.
    var isDirty = false
    /// The next live subscription of the pass under way.
    private(set) var passIndex = 0
    /// What the pass under way brings everybody up to, at least.
    ///
    /// Nothing between two passes.
    private var passThrough: Int64?

    private var joined: [Joined?] = [nil, nil]

    /// Frames joined for one write.
    private struct Joined {
        let firstID: Int64
        let lastID: Int64
        let frames: ByteBuffer
    }

    init(_ filter: TopicFilter) {
        self.filter = filter
    }

    /// Messages that may wait for a pass.
    private static let pendingMax = 1_024

    var isInPass: Bool { self.passThrough != nil }
    var hasPending: Bool { !self.pending.isEmpty }

    func add(_ position: RecentBatches.Position) {
        assert(self.pending.last.map { $0.id < position.id } ?? true, "ids strictly increase")
        if self.pending.count == Self.pendingMax, let last = self.pending.last {
            // Whoever still needs these reads pages: more than one write takes.
            self.evictedThrough = last.id
            self.pending.removeAll(keepingCapacity: true)
        }
        self.pending.append(position)
    }

    func join(_ subscription: Subscription) {
        subscription.liveIndex = self.live.count
        self.live.append(subscription)
    }

    /// Takes a subscription out, keeping served and unserved ones of a pass apart.
    func leave(_ subscription: Subscription) {
        var hole = subscription.liveIndex
        precondition(self.live[hole] === subscription, "a live subscription knows its place")
        if hole < self.passIndex {
            self.passIndex -= 1
            self.move(self.passIndex, to: hole)
            hole = self.passIndex
        }
        self.move(self.live.count - 1, to: hole)
        self.live.removeLast()
        subscription.liveIndex = -1
    }

    private func move(_ source: Int, to target: Int) {
        guard source != target else { return }
        self.live[target] = self.live[source]
        self.live[target].liveIndex = target
    }

    func beginPass(firstSequence: Int) {
        let evicted = self.pending.prefix { $0.sequence < firstSequence }
        if let last = evicted.last {
            self.evictedThrough = last.id
            self.pending.removeFirst(evicted.count)
        }
        self.passIndex = 0
        self.passThrough = self.pending.last?.id ?? 0
    }

    /// The next subscription to serve, or nothing when the pass is over.
    func nextInPass() -> Subscription? {
        guard self.passIndex < self.live.count else { return nil }
        let subscription = self.live[self.passIndex]
        self.passIndex += 1
        return subscription
    }

    func endPass() {
        let through = self.passThrough ?? 0
        let served = self.pending.prefix { $0.id <= through }.count
        self.passThrough = nil
        self.pending.removeFirst(served)
        self.passIndex = 0
        self.joined = [nil, nil]
    }

    /// What a live subscription is to be sent.
    enum Delivery {
        case nothing
        case frames(ByteBuffer, through: Int64)
        /// More than one write takes, or no longer in memory.
        case tooMuch
    }

    func delivery(
        after cursor: Int64,
        framing: StreamFraming,
        bytesMax: Int,
        recent: inout RecentBatches
    ) -> Delivery {
        if self.evictedThrough > cursor { return .tooMuch }
        let start = self.firstPending(after: cursor)
        guard start < self.pending.count, let last = self.pending.last else { return .nothing }
        let first = self.pending[start]
        if first.sequence < recent.firstSequence { return .tooMuch }
        if let ready = self.joined[framing.rawValue], ready.firstID == first.id,
            ready.lastID == last.id
        {
            return .frames(ready.frames, through: last.id)
        }
        var bytes = 0
        for position in self.pending[start...] {
            bytes += recent.frameBytes(at: position)
            if bytes > bytesMax && position.id != first.id { return .tooMuch }
        }
        var frames = ByteBufferAllocator().buffer(capacity: bytes)
        var index = start
        while index < self.pending.count {
            let run = self.run(from: index)
            recent.write(
                self.pending[run.lowerBound].index...self.pending[run.upperBound].index,
                of: self.pending[index].sequence,
                into: &frames
            )
            index = run.upperBound + 1
        }
        let framed = framing.wrap(frames)
        self.joined[framing.rawValue] = Joined(
            firstID: first.id,
            lastID: last.id,
            frames: framed
        )
        return .frames(framed, through: last.id)
    }

    /// Pending messages that stand side by side in one batch.
    private func run(from start: Int) -> ClosedRange<Int> {
        var end = start
        while end + 1 < self.pending.count,
            self.pending[end + 1].sequence == self.pending[start].sequence,
            self.pending[end + 1].index == self.pending[end].index + 1
        {
            end += 1
        }
        return start...end
    }

    private func firstPending(after cursor: Int64) -> Int {
        var low = 0
        var high = self.pending.count
        while low < high {
            let middle = (low + high) / 2
            if self.pending[middle].id > cursor { high = middle } else { low = middle + 1 }
        }
        return low
    }
}

/// A history request that waits for the next message.
package final class HistoryWaiter {
    let wake: () -> Void

    package init(wake: @escaping () -> Void) {
        self.wake = wake
    }
}
