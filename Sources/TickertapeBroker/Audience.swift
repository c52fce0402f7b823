import NIOCore
import TickertapeCore
import TickertapeLog
import TickertapeWire

/// The subscriptions of one loop that want the same topics.
///
/// Confined to its event loop. They share what is written: the frames that wait are joined once
/// for all who stand at the same place.
final class Audience {
    let filter: TopicFilter
    /// The topic, when there is just one.
    let onlyTopic: TopicName?
    /// Whether it can end: one with a wildcard never does.
    let canEnd: Bool

    /// Those who get batches as they come.
    private(set) var live: [Subscription] = []
    /// Who waits for the next message; most are told once.
    var waiters: [HistoryWaiter] = []
    /// Every subscription that uses this audience, live or not.
    var memberCount = 0

    /// How the filter has ended, as far as was known when this loop last asked.
    ///
    /// Members end when they have everything.
    var end: FilterEnd?
    /// Whether the live ones are to be looked at in the next pass: some may have everything.
    var isEndDue = false

    /// Messages not yet written to everybody, by their place among the recent ones.
    var pending: [Waiting] = []
    /// The payload of everything that ever waited.
    private(set) var payloadBytes = 0
    /// Whether something was written that is not yet counted by topic.
    var hasUncounted = false
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

    /// What was joined in the pass under way.
    private var joined: [Joined] = []
    /// Where the next one goes when there is no more room.
    private var nextJoined = 0

    /// One write, for all who stand at the same place and take the same format.
    private struct Joined {
        let format: WireFormat
        let firstID: Int64
        let lastID: Int64
        let delivery: Delivery
    }

    /// One message that waits, and who was written it.
    ///
    /// A write carries everything that waits from some place on: it is noted where it begins and
    /// where it ends, and what that makes for each message is added up once, when the pass is over.
    struct Waiting {
        let position: RecentBatches.Position
        /// Of all that waited before it.
        let payloadBefore: Int
        var writesBegun: Int32 = 0
        var writesEnded: Int32 = 0

        var id: Int64 { self.position.id }
        var sequence: Int { self.position.sequence }
        var index: Int { self.position.index }
    }

    private static let joinedMax = 8

    init(_ filter: TopicFilter) {
        self.filter = filter
        self.onlyTopic = filter.patterns.count == 1 ? filter.patterns[0].topic : nil
        self.canEnd = filter.patterns.allSatisfy { $0.topic != nil }
    }

    /// Messages that may wait for a pass.
    private static let pendingMax = 1_024

    var isInPass: Bool { self.passThrough != nil }
    var hasPending: Bool { !self.pending.isEmpty }
    /// Whether another pass has something to do.
    var needsPass: Bool { self.hasPending || self.isEndDue }

    /// Whether what waits makes room for what comes next.
    var isFull: Bool { self.pending.count == Self.pendingMax }

    func add(_ position: RecentBatches.Position, payloadBytes: Int = 0) {
        assert(self.pending.last.map { $0.id < position.id } ?? true, "ids strictly increase")
        if self.isFull, let last = self.pending.last {
            // Whoever still needs these reads pages: more than one write takes.
            self.evictedThrough = last.id
            self.pending.removeAll(keepingCapacity: true)
        }
        self.pending.append(Waiting(position: position, payloadBefore: self.payloadBytes))
        self.payloadBytes += payloadBytes
    }

    /// What waits up to an id is not written any more: whoever was due it reads pages.
    func forget(through id: Int64) {
        let gone = self.pending.prefix { $0.id <= id }
        guard let last = gone.last else { return }
        self.evictedThrough = last.id
        self.pending.removeFirst(gone.count)
    }

    /// What a live subscription has passed, its cursor or more, with the loop at `delivered`.
    func passed(by cursor: Int64, delivered: Int64) -> Int64 {
        if self.evictedThrough > cursor { return cursor }
        let first = self.firstPending(after: cursor)
        guard first < self.pending.count else { return max(cursor, delivered) }
        return self.pending[first].id - 1
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
        self.isEndDue = false
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
        self.joined.removeAll(keepingCapacity: true)
        self.nextJoined = 0
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
        format: WireFormat,
        bytesMax: Int,
        recent: inout RecentBatches,
        encoder: FrameEncoder
    ) -> Delivery {
        if self.evictedThrough > cursor { return .tooMuch }
        let start = self.firstPending(after: cursor)
        guard start < self.pending.count, let last = self.pending.last else { return .nothing }
        let first = self.pending[start]
        if first.sequence < recent.firstSequence { return .tooMuch }
        let ready = self.joined.first {
            $0.firstID == first.id && $0.lastID == last.id && $0.format == format
        }
        if let ready { return ready.delivery }
        let frames = self.join(from: start, format, bytesMax: bytesMax, &recent, encoder)
        let delivery: Delivery =
            frames.map { .frames(encoder.wrap($0, as: format), through: last.id) } ?? .tooMuch
        self.keep(
            Joined(format: format, firstID: first.id, lastID: last.id, delivery: delivery)
        )
        return delivery
    }

    /// The frames of everything pending from `start` on, unless one write cannot take them.
    private func join(
        from start: Int,
        _ format: WireFormat,
        bytesMax: Int,
        _ recent: inout RecentBatches,
        _ encoder: FrameEncoder
    ) -> ByteBuffer? {
        // Counted by payload before anything is encoded; frames are rarely smaller.
        var bytes = 0
        for position in self.pending[start...] {
            bytes += recent.message(at: position.position).bytes
            if bytes > bytesMax && position.id != self.pending[start].id { return nil }
        }
        var frames = ByteBufferAllocator().buffer(capacity: bytes)
        var index = start
        while index < self.pending.count {
            let run = self.run(from: index)
            recent.write(
                self.pending[run.lowerBound].index...self.pending[run.upperBound].index,
                of: self.pending[index].sequence,
                as: format,
                encoder,
                into: &frames
            )
            index = run.upperBound + 1
            // A single message is written whatever its size.
            if frames.readableBytes > bytesMax && index - start > 1 { return nil }
        }
        return frames
    }

    private func keep(_ joined: Joined) {
        guard self.joined.count == Self.joinedMax else {
            self.joined.append(joined)
            return
        }
        self.joined[self.nextJoined] = joined
        self.nextJoined = (self.nextJoined + 1) % Self.joinedMax
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

    func firstPending(after cursor: Int64) -> Int {
        var low = 0
        var high = self.pending.count
        while low < high {
            let middle = (low + high) / 2
            if self.pending[middle].id > cursor { high = middle } else { low = middle + 1 }
        }
        return low
    }
}

/// Who waits for the next message or the end: a history request, or a signal.
package final class HistoryWaiter {
    /// Told again each time, until it stops waiting.
    let isKept: Bool
    let wake: () -> Void

    package init(isKept: Bool = false, wake: @escaping () -> Void) {
        self.isKept = isKept
        self.wake = wake
    }
}
