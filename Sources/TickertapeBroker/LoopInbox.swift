import NIOCore
import Synchronization
import TickertapeCore
import TickertapeLog

/// What other threads have for one event loop.
///
/// Any thread posts; the loop takes everything at once. However much is posted, at most one
/// task waits on the loop: a hop between threads is the dear part.
final class LoopInbox: Sendable {
    struct Content {
        /// Results of this loop's submissions, in the order they were appended.
        var results: [[AppendResult]] = []
        var batches: [CommittedBatch] = []
        var pages: [(number: Int, page: Result<EncodedPage, LogError>)] = []
        var tails: [(number: Int, tail: Result<TailStart, LogError>)] = []
    }

    private struct State: Sendable {
        var content = Content()
        var isScheduled = false
    }

    private let eventLoop: any EventLoop
    private let state = Mutex(State())

    init(eventLoop: any EventLoop) {
        self.eventLoop = eventLoop
    }

    /// Adds to what waits, and wakes the loop if it was not woken yet.
    func post(to fanout: LoopFanout, _ add: (inout Content) -> Void) {
        let mustWake = self.state.withLock { state in
            add(&state.content)
            if state.isScheduled { return false }
            state.isScheduled = true
            return true
        }
        if mustWake { self.eventLoop.execute { fanout.takeInbox() } }
    }

    func take() -> Content {
        self.state.withLock { state in
            var taken = Content()
            swap(&taken, &state.content)
            state.isScheduled = false
            return taken
        }
    }
}

extension LoopInbox.Content: Sendable {}
