import NIOCore
import TickertapeCore
import TickertapeLog
import TickertapeWire

/// How messages reach the subscriptions of a loop: in slices, live or page by page.
extension LoopFanout {
    /// Goes on with the work in a moment, after the loop has polled its sockets.
    ///
    /// A task would run before the next poll; a timer a little ahead runs after it.
    func scheduleSlice() {
        guard !self.isSliceScheduled else { return }
        guard !self.dirty.isEmpty || !self.behind.isEmpty || !self.ending.isEmpty else { return }
        self.isSliceScheduled = true
        _ = try? self.eventLoop.scheduleCallback(in: .microseconds(2), handler: self)
    }

    func runSlice() {
        self.isSliceScheduled = false
        let deadline = self.sliceShare.deadline(from: self.clock())
        var now: UInt64
        repeat {
            self.runStep()
            now = self.clock()
            self.latency.stepEnded(at: now)
        } while !self.dirty.isEmpty && now < deadline
        self.sliceShare.ended(at: now, hasMore: !self.dirty.isEmpty)
        self.scheduleSlice()
    }

    /// Serves as many subscribers as a slice serves at least.
    private func runStep() {
        var left = self.limits.sliceSubscribersMax
        left -= self.writeEnds(atMost: max(1, left / 2))
        // Half of a step at most, while live ones wait: neither starves the other.
        let pagesMax = self.dirty.isEmpty ? 4 : 2
        for _ in 0..<pagesMax {
            guard let subscription = self.nextBehind() else { break }
            self.readPage(subscription)
            left -= self.limits.sliceSubscribersMax / 4
        }
        while left > 0, let audience = self.dirty.first {
            left -= self.serve(audience, atMost: left)
        }
    }

    /// The next that waits for a page; those that have closed meanwhile cost no place.
    private func nextBehind() -> Subscription? {
        while let subscription = self.behind.popFirst() {
            if subscription.machine.cursor != nil { return subscription }
        }
        return nil
    }

    /// - Returns: How many subscriptions were served.
    private func serve(_ audience: Audience, atMost most: Int) -> Int {
        if !audience.waiters.isEmpty {
            let waiters = audience.waiters
            audience.waiters = waiters.filter(\.isKept)
            for waiter in waiters { waiter.wake() }
            self.removeIfUnused(audience)
        }
        if !audience.isInPass { audience.beginPass(firstSequence: self.recent.firstSequence) }
        var served = 0
        while served < most, let subscription = audience.nextInPass() {
            served += 1
            self.deliver(to: subscription, of: audience)
            if audience.end != nil { self.endIfComplete(subscription) }
        }
        guard served < most else { return served }
        self.countWrites()
        audience.endPass()
        self.dirty.removeFirst()
        if audience.needsPass {
            self.dirty.append(audience)
        } else {
            audience.isDirty = false
        }
        return served + 1
    }

    private func deliver(to subscription: Subscription, of audience: Audience) {
        guard let cursor = subscription.machine.cursor else {
            preconditionFailure("a live subscription has a cursor")
        }
        guard !(subscription.transport?.isRefused() ?? false) else {
            self.socketFilled(subscription)
            return
        }
        let delivery = audience.delivery(
            after: cursor,
            format: subscription.format,
            bytesMax: self.limits.writeBytesMax,
            recent: &self.recent,
            encoder: self.encoder
        )
        switch delivery {
        case .nothing: break
        case .frames(let frames, let through):
            let written = audience.noteWrite(after: cursor, self.recent)
            let isFull = subscription.write(frames)
            self.counters.wrote(written.out)
            self.latency.wrote(committedAt: written.commitNanoseconds)
            subscription.lastWriteTurn = self.wheel.turns
            subscription.told = through
            self.perform(
                subscription.change { $0.delivered(through: through, socketIsFull: isFull) },
                subscription
            )
        case .tooMuch: self.perform(subscription.change { $0.fellBehind() }, subscription)
        }
    }

    /// Reads the next page of a subscription, from memory if it reaches back far enough.
    private func readPage(_ subscription: Subscription) {
        guard let cursor = subscription.machine.cursor else { return }
        guard !self.isRefused(subscription) else { return }
        if let tail = subscription.tail, cursor >= tail.end { subscription.tail = nil }
        let needsLog = subscription.tail != nil || subscription.gaps.hasUntold
        guard cursor < self.recent.floor || needsLog else {
            self.writeRecentPage(subscription, after: cursor)
            return
        }
        let number = self.number(subscription)
        let limits = self.limits
        self.counters.readPage(from: .log)
        let coalesces = subscription.coalesces
        let request = PageRequest(
            filter: subscription.audience.filter,
            after: cursor,
            messagesMax: coalesces ? limits.coalescedMessagesMax : limits.pageMessagesMax,
            bytesMax: coalesces ? limits.writeBytesMax : limits.pageBytesMax,
            countsPayloadOnly: coalesces,
            tail: subscription.tail
        )
        let (format, gaps) = (subscription.format, subscription.gaps)
        self.log.readPage(request, for: subscription.ticket) { result in
            let page = result.map {
                EncodedPage(
                    $0,
                    after: cursor,
                    gaps: gaps,
                    format: format,
                    coalesces: coalesces,
                    limits: limits
                )
            }
            self.inbox.post(to: self) { $0.pages.append((number, page)) }
        }
    }

    private func writeRecentPage(_ subscription: Subscription, after cursor: Int64) {
        let filter = subscription.audience.filter
        self.counters.readPage(from: .memory)
        guard !subscription.coalesces else {
            let page = self.recent.page(after: cursor, limits: self.limits) { filter.matches($0) }
            self.write(
                EncodedPage(
                    joining: page.messages,
                    through: page.through,
                    gaps: subscription.gaps,
                    format: subscription.format,
                    encoder: self.encoder,
                    limits: self.limits
                ),
                subscription
            )
            return
        }
        var frames = ByteBufferAllocator().buffer(capacity: 4_096)
        let written = self.recent.write(
            after: cursor,
            bytesMax: self.limits.writeBytesMax,
            as: subscription.format,
            self.encoder,
            into: &frames
        ) { filter.matches($0) }
        self.write(
            EncodedPage(
                frames: self.encoder.wrap(frames, as: subscription.format),
                through: max(written.through, cursor),
                lastWritten: written.lastWritten,
                gaps: subscription.gaps,
                tally: written.tally
            ),
            subscription
        )
    }

    func take(_ page: Result<EncodedPage, LogError>, number: Int) {
        guard let subscription = self.takeReading(number) else { return }
        switch page {
        case .success(let page): self.write(page, subscription)
        case .failure: self.endEarly(subscription)
        }
    }

    private func write(_ page: EncodedPage, _ subscription: Subscription) {
        guard subscription.machine.cursor != nil, !self.isRefused(subscription) else { return }
        let isFull = page.frames.readableBytes > 0 && subscription.write(page.frames)
        subscription.gaps = page.gaps
        subscription.lastWriteTurn = self.wheel.turns
        if let lastWritten = page.lastWritten { subscription.told = lastWritten }
        self.counters.wrote(page.tally)
        self.perform(
            subscription.change {
                $0.pageWritten(
                    through: page.through,
                    // A gap that is still to be told keeps it reading until it is.
                    delivered: page.gaps.hasUntold ? Int64.max : self.delivered,
                    socketIsFull: isFull
                )
            },
            subscription
        )
        subscription.transport?.pageWritten()
    }

    /// A page that is not written is read again when the socket drains.
    private func isRefused(_ subscription: Subscription) -> Bool {
        guard subscription.transport?.isRefused() ?? false else { return false }
        self.perform(subscription.change { $0.pageRefused() }, subscription)
        return true
    }

    // MARK: - Signs of life

    /// Sends the heartbeats that are due; called `HeartbeatWheel.slots` times an interval.
    package func beat() {
        for subscription in self.wheel.turn() {
            let hasMore = subscription.audience.isDirty
            let passed = hasMore ? nil : self.delivered
            let told = subscription.told
            var frame = ByteBufferAllocator().buffer(capacity: 32)
            switch subscription.change({ $0.heartbeatDue(passed: passed, told: told) }) {
            case .writeCursor(let id):
                self.encoder.writeCursor(id, as: subscription.format, into: &frame)
                subscription.told = id
            case .writeComment where subscription.format.hasComments:
                EventStreamFrame.writeComment(into: &frame)
            case .writeComment, .none: continue
            }
            subscription.lastWriteTurn = self.wheel.turns
            self.writeBetween(frame, subscription)
        }
    }

    /// Writes what is no page and no batch.
    func writeBetween(_ frames: ByteBuffer, _ subscription: Subscription) {
        guard subscription.write(self.encoder.wrap(frames, as: subscription.format)) else { return }
        self.socketFilled(subscription)
    }

    /// Tells a subscription that has just become live, if it asked for it.
    func tellCaughtUp(_ subscription: Subscription) {
        guard subscription.owesCaughtUp, let cursor = subscription.machine.cursor else { return }
        subscription.owesCaughtUp = false
        subscription.told = max(subscription.told, cursor)
        var frame = ByteBufferAllocator().buffer(capacity: 96)
        self.encoder.writeCaughtUp(cursor, as: subscription.format, into: &frame)
        self.writeBetween(frame, subscription)
    }

    /// Tells every subscriber to come back, and ends its stream.
    package func endAll() {
        for subscription in self.wheel.all {
            subscription.transport?.end(.draining)
        }
    }
}
