package import NIOCore
import Synchronization
package import TickertapeCore

/// Tells somebody outside the event loops that there is something new to read.
///
/// Any thread; one task waits at a time. It carries nothing: who is woken reads the log after its
/// own cursor, so that what comes faster than it is read costs no memory. Watches for as long as
/// it is kept.
package final class MessageSignal: Sendable {
    private let waits: SignalWaits
    private let fanout: LoopFanout
    private let filter: TopicFilter
    private let waiter: NIOLoopBound<HistoryWaiter>

    /// On the event loop of `fanout`.
    init(_ filter: TopicFilter, on fanout: LoopFanout) {
        let waits = SignalWaits()
        let waiter = HistoryWaiter(isKept: true) { waits.came() }
        self.waits = waits
        self.filter = filter
        self.fanout = fanout
        self.waiter = NIOLoopBound(waiter, eventLoop: fanout.eventLoop)
        fanout.wait(for: filter, waiter: waiter)
    }

    deinit {
        let (fanout, filter, waiter) = (self.fanout, self.filter, self.waiter)
        fanout.eventLoop.execute { fanout.stopWaiting(for: filter, waiter: waiter.value) }
    }

    /// Returns once a message of the filter was committed, one of its topics deleted, or the filter
    /// has ended, since this last returned `true`.
    ///
    /// - Returns: `false` when nothing came for so long, or the task was cancelled.
    package func wait(atMost duration: TimeAmount) async -> Bool {
        let waits = self.waits
        let number = waits.begin()
        let timer = self.fanout.eventLoop.scheduleTask(in: duration) { waits.give(up: number) }
        await withTaskCancellationHandler {
            await withCheckedContinuation { waits.suspend($0) }
        } onCancel: {
            waits.give(up: number)
        }
        timer.cancel()
        return waits.takeDue()
    }
}

/// What a signal and those who wait for it tell each other.
///
/// Any thread.
private final class SignalWaits: Sendable {
    private struct State {
        /// Something came that nobody was told of.
        var isDue = false
        var waiting: CheckedContinuation<Void, Never>?
        /// The wait under way, or the last one.
        var number = 0
        /// The last one that was given up, perhaps before it was suspended.
        var givenUp = 0
    }

    private let state = Mutex(State())

    func came() {
        self.resume { $0.isDue = true }
    }

    func begin() -> Int {
        self.state.withLock { state in
            state.number += 1
            return state.number
        }
    }

    func give(up number: Int) {
        self.resume { state in
            // The timer of an earlier wait may come late.
            if state.number == number { state.givenUp = number }
        }
    }

    func suspend(_ continuation: CheckedContinuation<Void, Never>) {
        self.resume { state in
            precondition(state.waiting == nil, "one task waits at a time")
            state.waiting = continuation
        }
    }

    func takeDue() -> Bool {
        self.state.withLock { state in
            let isDue = state.isDue
            state.isDue = false
            return isDue
        }
    }

    /// Changes the state, and wakes who waits if there is a reason now.
    private func resume(after change: (inout State) -> Void) {
        let woken = self.state.withLock { state -> CheckedContinuation<Void, Never>? in
            change(&state)
            guard state.isDue || state.givenUp == state.number else { return nil }
            let waiting = state.waiting
            state.waiting = nil
            return waiting
        }
        woken?.resume()
    }
}

extension Broker {
    /// Watches for messages of a filter; what is committed from now on is not missed.
    ///
    /// Nothing when the broker has stopped.
    package func signal(for filter: TopicFilter) async -> MessageSignal? {
        let fanout = self.fanouts[0]
        return try? await fanout.eventLoop.submit { MessageSignal(filter, on: fanout) }.get()
    }
}
