package import NIOCore
import TickertapeCore
import TickertapeLog
import TickertapeWire

/// What operators ask of one loop: answered a few hundred subscriptions at a time, so that nobody
/// waits for it.
extension LoopFanout {
    /// Subscriptions looked at before the loop polls its sockets again.
    private static let walkedMax = 256

    /// What `visit` makes of each open subscription, in no order.
    ///
    /// Those who come meanwhile may be missing.
    func walk<Found: Sendable>(
        _ visit: @escaping (Subscription) -> Found?
    ) -> EventLoopFuture<[Found]> {
        // A copy of some references; the wheel copies what it changes meanwhile.
        let slots = self.wheel.subscriptions
        var (slot, index) = (0, 0)
        var found: [Found] = []
        return self.inSlices {
            var left = Self.walkedMax
            while left > 0 {
                guard slot < slots.count else { return found }
                guard index < slots[slot].count else {
                    (slot, index) = (slot + 1, 0)
                    continue
                }
                let subscription = slots[slot][index]
                if subscription.isOpen, let one = visit(subscription) { found.append(one) }
                index += 1
                left -= 1
            }
            return nil
        }
    }

    /// Calls `step` until it gives a result, and lets the loop poll its sockets in between.
    private func inSlices<Value: Sendable>(_ step: @escaping () -> Value?) -> EventLoopFuture<Value>
    {
        if let value = step() { return self.eventLoop.makeSucceededFuture(value) }
        // A timer, not a task: a task would run before the next poll. It fails when the loop stops.
        let next = self.eventLoop.assumeIsolated().scheduleTask(in: .microseconds(2)) {
            self.inSlices(step)
        }
        return next.futureResult.flatMap { $0 }
    }

    // MARK: - Subscribers

    func listSubscribers() -> EventLoopFuture<[ListedSubscription]> {
        self.walk { self.listed($0) }
    }

    func listFilters() -> EventLoopFuture<[TopicFilter]> {
        self.walk { $0.audience.filter }
    }

    /// - Returns: Whether there was one with this number.
    package func disconnect(subscriber number: Int64) -> EventLoopFuture<Bool> {
        self.walk { $0.number == number ? NIOLoopBound($0, eventLoop: self.eventLoop) : nil }
            .map { found in
                guard let found = found.first?.value, found.isOpen,
                    let transport = found.transport
                else { return false }
                transport.end(.disconnected)
                return true
            }
    }

    private func listed(_ subscription: Subscription) -> ListedSubscription? {
        guard let state = subscription.machine.shown else { return nil }
        var cursor = subscription.machine.cursor
        if state == .live, let reached = cursor {
            // What it was not written, its filter has passed over.
            cursor = subscription.audience.passed(by: reached, delivered: self.delivered)
        }
        return ListedSubscription(
            number: subscription.number,
            format: subscription.format,
            address: subscription.transport?.address,
            filter: subscription.audience.filter,
            state: state,
            cursor: cursor,
            openedMilliseconds: subscription.openedMilliseconds
        )
    }

    // MARK: - Statistics

    /// A timer of this loop came so late.
    package func noteDelay(_ delay: TimeAmount) {
        self.counters.wasLate(bySeconds: max(0, Double(delay.nanoseconds) / 1_000_000_000))
    }

    func takeStatistics() -> EventLoopFuture<LoopTaken> {
        self.countWrites()
        var statistics = self.counters.take()
        statistics.behind = self.notLive.all.count
        let taken = statistics
        return self.slowest().map { LoopTaken(statistics: taken, slowest: $0) }
    }

    /// The one with the smallest cursor of those that are not live.
    ///
    /// Where there are very many, one that comes or goes meanwhile may hide another.
    private func slowest() -> EventLoopFuture<ListedSubscription?> {
        var index = 0
        var slowest: Subscription?
        return self.inSlices { () -> ListedSubscription?? in
            let all = self.notLive.all
            let end = min(index + Self.walkedMax, all.count)
            while index < end {
                let subscription = all[index]
                index += 1
                guard let cursor = subscription.machine.cursor else { continue }
                if cursor < slowest?.machine.cursor ?? .max { slowest = subscription }
            }
            guard index >= all.count else { return nil }
            return .some(slowest.flatMap { self.listed($0) })
        }
    }
}

/// What one loop has counted.
struct LoopTaken: Sendable {
    let statistics: LoopStatistics
    let slowest: ListedSubscription?
}

/// One subscription as its loop knows it; put into words elsewhere.
struct ListedSubscription: Sendable {
    let number: Int64
    let format: WireFormat
    let address: SocketAddress?
    let filter: TopicFilter
    let state: SubscriberEntry.State
    let cursor: Int64?
    let openedMilliseconds: Int64
}

extension WireFormat {
    var transport: TransportKind {
        switch self {
        case .eventStream: .eventStream
        case .webSocket: .webSocket
        }
    }
}
