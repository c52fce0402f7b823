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
        var batchBytes = 0
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
        self.post(to: fanout, when: { _ in true }, add)
    }

    /// Adds a batch.
    ///
    /// A loop that nobody follows anything on is not woken for each one.
    ///
    /// Whether it is followed is asked with the lock held: a loop says so before it takes what
    /// is here, so either it takes this batch or it is woken.
    func post(to fanout: LoopFanout, _ batch: CommittedBatch) {
        let mustWake = { (content: borrowing Content) in
            fanout.isFollowed || content.batches.count >= Self.batchesUnreadMax
                || content.batchBytes >= Self.bytesUnreadMax
        }
        self.post(to: fanout, when: mustWake) {
            $0.batches.append(batch)
            $0.batchBytes += batch.bytes
        }
    }

    /// What may wait on a loop that has no use for it.
    private static let batchesUnreadMax = 64
    private static let bytesUnreadMax = 1_048_576

    private func post(
        to fanout: LoopFanout,
        when isUrgent: (borrowing Content) -> Bool,
        _ add: (inout Content) -> Void
    ) {
        let mustWake = self.state.withLock { state in
            add(&state.content)
            guard !state.isScheduled, isUrgent(state.content) else { return false }
            state.isScheduled = true
            return true
        }
        if mustWake { self.eventLoop.execute { fanout.takeInbox() } }
    }

    /// Takes the batches alone; what else waits is taken when the loop turns.
    func takeBatches() -> [CommittedBatch] {
        self.state.withLock { state in
            var taken: [CommittedBatch] = []
            swap(&taken, &state.content.batches)
            state.content.batchBytes = 0
            return taken
        }
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
