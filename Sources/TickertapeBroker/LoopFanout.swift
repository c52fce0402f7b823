package import NIOCore
import Synchronization
package import TickertapeCore
package import TickertapeLog
package import TickertapeWire

/// One event loop's share of the broker: its subscriptions and its publishers.
///
/// Batches come in through the inbox and are noted with every audience that wants them. A pass
/// then visits the live subscriptions, some dozens at a time, and lets the loop poll its sockets
/// in between: publishers are answered during a pass, and what they publish joins the next one.
/// Whoever is behind reads pages: from the recent batches when they reach back far enough, from
/// the log when not.
///
/// Safety: confined to its event loop; other threads only post to the inbox.
package final class LoopFanout: @unchecked Sendable {
    package let eventLoop: any EventLoop
    let log: any MessageLog
    let limits: Limits
    let inbox: LoopInbox

    /// The last id announced on this loop.
    package private(set) var delivered: Int64
    var recent: RecentBatches
    var index: TopicIndex
    /// Whether the index has anybody; any thread.
    private let hasAudience = Atomic<Bool>(false)
    var publisher: LoopPublisher
    /// Who publishes to one topic for long.
    let publishers = TopicPublishers()
    var wheel = HeartbeatWheel()
    package let encoder: FrameEncoder
    private let numbers: SubscriptionNumbers
    /// Open subscriptions that are not among the live ones of their audience.
    private(set) var notLive = BehindList()
    var counters = LoopCounters()
    var latency = WriteLatency()

    var dirty = CircularBuffer<Audience>()
    var behind = CircularBuffer<Subscription>()
    /// Closed subscriptions whose end is still to be written.
    var ending = CircularBuffer<(Subscription, TopicEnd)>(initialCapacity: 1)
    var isSliceScheduled = false
    var sliceShare: SliceShare
    /// What slices are timed by.
    var clock: () -> UInt64 = uptimeNanoseconds

    /// Pages on their way, by number.
    var reading: [Int: Subscription] = [:]
    var nextReadNumber = 0

    init(
        eventLoop: any EventLoop,
        log: any MessageLog,
        limits: Limits,
        numbers: SubscriptionNumbers
    ) {
        self.eventLoop = eventLoop
        self.log = log
        self.limits = limits
        self.numbers = numbers
        self.inbox = LoopInbox(eventLoop: eventLoop)
        self.delivered = log.head
        self.recent = RecentBatches(floor: log.head, bytesMax: limits.recentBytesMax)
        self.index = TopicIndex(limits: limits)
        self.publisher = LoopPublisher(limits: limits)
        self.encoder = FrameEncoder(limits: limits)
        self.sliceShare = SliceShare(nanosecondsMax: UInt64(limits.sliceMicrosecondsMax) * 1_000)
    }

    /// Whether somebody waits for messages on this loop.
    ///
    /// Any thread.
    ///
    /// Once it is true, batches wake the loop; those that came before are taken when it turns.
    var isFollowed: Bool {
        self.hasAudience.load(ordering: .sequentiallyConsistent) || self.publishers.hasAny
    }

    /// The audience of a filter, with this loop up to date: replay that has reached the live tail
    /// has reached everything committed before.
    private func audience(for filter: TopicFilter) -> Audience {
        if self.index.isEmpty { self.hasAudience.store(true, ordering: .sequentiallyConsistent) }
        self.takeAnnouncements()
        return self.index.audience(for: filter)
    }

    // MARK: - The inbox

    func takeInbox() {
        let content = self.inbox.take()
        // Noted before anybody is answered: an answer may start a subscription, which takes what
        // was announced since.
        for announcement in content.announcements { self.note(announcement) }
        self.answer(content.results)
        for (number, tail) in content.tails { self.found(tail, number: number) }
        for (number, page) in content.pages { self.take(page, number: number) }
        // The first slice at once, unless a pass is under way.
        if !self.isSliceScheduled { self.runSlice() }
    }

    private func answer(_ submissions: [[AppendResult]]) {
        // Taken out first: who is told may publish again at once.
        var told: [LoopPublisher.Pending] = []
        for results in submissions {
            let answered = self.publisher.takeAnswered()
            precondition(answered.count == results.count, "every draft has its result")
            for (pending, result) in zip(answered, results) {
                pending.reply.published(result, number: pending.number)
            }
            told += answered
        }
        for pending in told { pending.reply.publishedAll() }
    }

    func takeAnnouncements() {
        for announcement in self.inbox.takeAnnouncements() { self.note(announcement) }
    }

    private func note(_ announcement: Announcement) {
        switch announcement {
        case .committed(let batch): self.note(batch)
        case .purged(let topic, let through): self.forget(topic, through: through)
        case .deleted(let topic, let through):
            self.forget(topic, through: through)
            self.deleted(topic, through: through)
        case .ended(let end):
            self.ended(end)
            self.tellPublishers(end)
        }
    }

    private func note(_ batch: CommittedBatch) {
        assert(batch.firstID > self.delivered, "batches come in the order of ids")
        self.delivered = batch.lastID
        if self.recent.isFull(with: batch) { self.countWrites() }
        let sequence = self.recent.append(batch)
        guard !self.index.isEmpty else { return }
        for (offset, message) in batch.messages.enumerated() {
            for audience in self.index.audiences(of: message.topic) {
                if audience.isFull { self.countWrites() }
                audience.add(
                    .init(id: message.id, sequence: sequence, index: offset),
                    payloadBytes: message.data.utf8.count
                )
                self.markDirty(audience)
            }
        }
    }

    func markDirty(_ audience: Audience) {
        guard !audience.isDirty else { return }
        audience.isDirty = true
        self.dirty.append(audience)
    }

    /// Only the audience in front of the queue can be in a pass, and have writes to count.
    func countWrites() {
        self.dirty.first?.countWrites(self.recent, into: &self.counters)
    }

    // MARK: - Subscribing

    /// Starts a subscription whose transport has its headers out.
    ///
    /// - Returns: The subscription, to be told what its socket does, and to be closed.
    package func subscribe(
        to filter: TopicFilter,
        from start: StartPosition,
        tellsCaughtUp: Bool,
        coalesces: Bool = false,
        transport: any SubscriptionTransport
    ) -> Subscription {
        let audience = self.audience(for: filter)
        // Asked now that this loop will learn of every end to come: either it has ended, or its end
        // will be announced.
        let end = audience.canEnd ? self.log.end(of: filter) : nil
        audience.end = end
        audience.memberCount += 1
        let subscription = Subscription(
            audience: audience,
            transport: transport,
            tellsCaughtUp: tellsCaughtUp,
            coalesces: coalesces,
            number: self.numbers.next(),
            openedMilliseconds: wallClockMilliseconds()
        )
        self.wheel.add(subscription)
        self.notLive.add(subscription)
        self.counters.opened(subscription.format.transport)
        self.begin(subscription, from: start, transport)
        // Nothing is to come, wherever it starts.
        if let end, end.lastID == 0 { self.end(subscription, with: end.last) }
        return subscription
    }

    private func begin(
        _ subscription: Subscription,
        from start: StartPosition,
        _ transport: any SubscriptionTransport
    ) {
        let head = self.log.head
        var opening = transport.opening(head: head, cursor: start == .live ? head : nil)
        switch start {
        case .live: self.open(subscription, at: head, opening)
        case .after(let cursor) where cursor <= head:
            self.open(subscription, at: cursor, opening)
        case .after, .unknown:
            self.encoder.write(start.gap(head: head), as: subscription.format, into: &opening)
            self.open(subscription, at: head, opening)
        case .tail(let count):
            self.writeBetween(opening, subscription)
            let number = self.number(subscription)
            self.log.findTail(
                of: subscription.audience.filter,
                count: count,
                upTo: head,
                for: subscription.ticket
            ) { tail in
                self.inbox.post(to: self) { $0.tails.append((number, tail)) }
            }
        }
    }

    private func open(_ subscription: Subscription, at cursor: Int64, _ opening: ByteBuffer) {
        subscription.told = cursor
        self.writeBetween(opening, subscription)
        self.perform(
            subscription.change { $0.opened(at: cursor, delivered: self.delivered) },
            subscription
        )
        self.scheduleSlice()
    }

    private func found(_ tail: Result<TailStart, LogError>, number: Int) {
        guard let subscription = self.takeReading(number) else { return }
        switch tail {
        case .success(let tail):
            subscription.tail = tail
            subscription.told = tail.after
            if tail.after == tail.end {
                // Nothing to replay: as after a live start, a cut from now on loses nothing.
                var frame = ByteBufferAllocator().buffer(capacity: 32)
                self.encoder.writeCursor(tail.end, as: subscription.format, into: &frame)
                self.writeBetween(frame, subscription)
            }
            self.perform(
                subscription.change {
                    $0.opened(at: tail.after, delivered: max(self.delivered, tail.end))
                },
                subscription
            )
        case .failure: self.endEarly(subscription)
        }
    }

    package func socketFilled(_ subscription: Subscription) {
        self.perform(subscription.change { $0.socketFilled() }, subscription)
    }

    /// - Returns: Whether a page is read now.
    @discardableResult
    package func socketDrained(_ subscription: Subscription) -> Bool {
        let action = subscription.change { $0.socketDrained() }
        self.perform(action, subscription)
        self.scheduleSlice()
        return action == .readPage
    }

    package func close(_ subscription: Subscription) {
        guard subscription.isOpen else { return }
        self.perform(subscription.change { $0.close() }, subscription)
        self.notLive.remove(subscription)
        self.counters.closed(subscription.format.transport)
        subscription.ticket.giveBack()
        self.wheel.remove(subscription)
        subscription.audience.memberCount -= 1
        self.removeIfUnused(subscription.audience)
    }

    func removeIfUnused(_ audience: Audience) {
        guard audience.memberCount == 0 && audience.waiters.isEmpty else { return }
        self.index.remove(audience)
        if self.index.isEmpty { self.hasAudience.store(false, ordering: .sequentiallyConsistent) }
    }

    func perform(_ action: SubscriptionMachine.Action, _ subscription: Subscription) {
        switch action {
        case .readPage: self.behind.append(subscription)
        case .joinLive:
            self.notLive.remove(subscription)
            subscription.audience.join(subscription)
            self.tellCaughtUp(subscription)
            if subscription.audience.end != nil { self.endIfComplete(subscription) }
        case .leaveLive: self.leaveLive(subscription)
        case .leaveLiveAndReadPage:
            self.leaveLive(subscription)
            self.behind.append(subscription)
        case .none: break
        }
    }

    private func leaveLive(_ subscription: Subscription) {
        subscription.audience.leave(subscription)
        self.notLive.add(subscription)
    }

    /// The log could not be read: the client comes back with its cursor, nothing is lost.
    func endEarly(_ subscription: Subscription) {
        subscription.transport?.end(.logUnavailable)
    }

    /// Who waits for what was read under this number, unless it was closed meanwhile.
    func takeReading(_ number: Int) -> Subscription? {
        self.reading.removeValue(forKey: number).flatMap { $0.isOpen ? $0 : nil }
    }

    func number(_ subscription: Subscription) -> Int {
        self.nextReadNumber += 1
        self.reading[self.nextReadNumber] = subscription
        return self.nextReadNumber
    }

    // MARK: - Reading history

    /// The last id that is durable.
    package var head: Int64 { self.log.head }
    package var isLogWritable: Bool { self.log.isWritable }

    /// Reads a page of the log.
    ///
    /// `encode` is called on the thread that reads, so that large pages hold up nobody; `then` on
    /// this loop.
    package func readPage<Encoded: Sendable>(
        _ request: PageRequest,
        for ticket: ReadTicket,
        encode: @escaping @Sendable (Page) -> Encoded,
        then: @escaping (Result<Encoded, LogError>) -> Void
    ) {
        let bound = NIOLoopBound(then, eventLoop: self.eventLoop)
        self.log.readPage(request, for: ticket) { result in
            let encoded = result.map(encode)
            self.eventLoop.execute { bound.value(encoded) }
        }
    }

    /// Reads one message; `then` is called on this loop.
    package func readMessage(
        id: Int64,
        then: @escaping (Result<Message?, LogError>) -> Void
    ) {
        let bound = NIOLoopBound(then, eventLoop: self.eventLoop)
        self.log.readMessage(id: id) { result in
            self.eventLoop.execute { bound.value(result) }
        }
    }

    /// Wakes `waiter` when a message of `filter` comes, or its end; it then reads the log again.
    package func wait(for filter: TopicFilter, waiter: HistoryWaiter) {
        self.audience(for: filter).waiters.append(waiter)
    }

    package func stopWaiting(for filter: TopicFilter, waiter: HistoryWaiter) {
        let audience = self.audience(for: filter)
        audience.waiters.removeAll { $0 === waiter }
        self.removeIfUnused(audience)
    }
}

extension LoopFanout: NIOScheduledCallbackHandler {
    package func handleScheduledCallback(eventLoop: some EventLoop) {
        self.runSlice()
    }
}

extension SubscriptionEnd {
    package var retryMilliseconds: Int64 {
        switch self {
        case .draining, .disconnected, .ended: jitteredRetryMilliseconds()
        case .logUnavailable: overloadRetryMilliseconds()
        }
    }
}

/// Between 1 and 5 s: those who are sent away together do not come back together.
package func jitteredRetryMilliseconds() -> Int64 {
    Int64.random(in: 1_000...5_000)
}

/// Between 5 and 15 s: the broker has too much to do.
package func overloadRetryMilliseconds() -> Int64 {
    Int64.random(in: 5_000...15_000)
}
