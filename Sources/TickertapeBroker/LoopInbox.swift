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
        /// Batches and what operators removed, in the order in which it happened.
        var announcements: [Announcement] = []
        var announcedBytes = 0
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

    /// Adds what the log announces.
    ///
    /// A loop that nobody follows anything on is not woken for each one.
    ///
    /// Whether it is followed is asked with the lock held: a loop says so before it takes what
    /// is here, so either it takes this announcement or it is woken.
    func post(to fanout: LoopFanout, _ announcement: Announcement) {
        let mustWake = { (content: borrowing Content) in
            fanout.isFollowed || content.announcements.count >= Self.announcementsUnreadMax
                || content.announcedBytes >= Self.bytesUnreadMax
        }
        self.post(to: fanout, when: mustWake) {
            $0.announcements.append(announcement)
            if case .committed(let batch) = announcement { $0.announcedBytes += batch.bytes }
        }
    }

    /// What may wait on a loop that has no use for it.
    private static let announcementsUnreadMax = 64
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

    /// Takes the announcements alone; what else waits is taken when the loop turns.
    func takeAnnouncements() -> [Announcement] {
        self.state.withLock { state in
            var taken: [Announcement] = []
            swap(&taken, &state.content.announcements)
            state.content.announcedBytes = 0
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
