import Foundation
import Synchronization
package import TickertapeCore
package import TickertapeLog

/// A log in memory that does nothing by itself: a test says when it commits, announces and reads.
///
/// Any thread, though a simulation uses one. In `immediate` mode every call is served before it
/// returns, so that the contract of `MessageLog` can be checked against it.
package final class SimulatedLog: MessageLog {
    package enum Mode: Sendable {
        case immediate
        case stepwise
    }

    private struct Submission: Sendable {
        let drafts: [Draft]
        let isAtomic: Bool
        let completion: @Sendable ([AppendResult]) -> Void

        func failed(_ error: LogError) -> [AppendResult] {
            for draft in self.drafts { draft.sequence?.breakOff() }
            return self.drafts.indices.map { $0 > 0 && self.isAtomic ? .skipped : .failed(error) }
        }
    }

    private struct Read: Sendable {
        let ticket: ReadTicket
        let answer: @Sendable () -> Void
    }

    private struct State: Sendable {
        var contents = SimulatedContents()
        var observer: (@Sendable (Announcement) -> Void)?
        var admitted = 0
        var submissions: [Submission] = []
        /// What is committed and not yet announced: the batch, and then the answers.
        var committed: [@Sendable () -> Void] = []
        var reads: [Read] = []
        var isFailing = false
        var isClosed = false

        mutating func tell(_ announcement: Announcement) {
            guard let observer = self.observer else { return }
            self.committed.append { observer(announcement) }
        }
    }

    private let mode: Mode
    private let queueMessagesMax: Int
    /// Rows one page looks at.
    private let examinedMax: Int
    private let state = Mutex(State())
    /// One commit and what it tells after the other, whatever threads append.
    private let commits = NSRecursiveLock()

    package init(_ mode: Mode, queueMessagesMax: Int = 65_536, examinedMax: Int = 1_000) {
        self.mode = mode
        self.queueMessagesMax = queueMessagesMax
        self.examinedMax = examinedMax
    }

    package var head: Int64 { self.state.withLock { $0.contents.head } }
    package var isWritable: Bool { self.state.withLock { !$0.isFailing } }

    package func end(of filter: TopicFilter) -> FilterEnd? {
        self.state.withLock { $0.contents.end(of: filter) }
    }

    package func announce(to observer: @escaping @Sendable (Announcement) -> Void) {
        self.state.withLock { state in
            precondition(state.observer == nil, "the observer is set once")
            state.observer = observer
        }
    }

    package func admit(_ draft: Draft, asksAgain: Bool) -> Bool {
        self.state.withLock { state in
            guard state.admitted < self.queueMessagesMax else { return false }
            state.admitted += 1
            return true
        }
    }

    package func admit(_ drafts: [Draft]) -> Bool {
        self.state.withLock { state in
            guard state.admitted + drafts.count <= self.queueMessagesMax else { return false }
            state.admitted += drafts.count
            return true
        }
    }

    package func append(
        _ drafts: [Draft],
        atomic: Bool,
        completion: @escaping @Sendable ([AppendResult]) -> Void
    ) {
        precondition(!drafts.isEmpty, "a submission has at least one draft")
        let submission = Submission(drafts: drafts, isAtomic: atomic, completion: completion)
        let isTaken = self.state.withLock { state in
            guard !state.isClosed else { return false }
            state.submissions.append(submission)
            return true
        }
        guard isTaken else {
            completion(submission.failed(.closed))
            return
        }
        if self.mode == .immediate { self.commitAndAnnounce() }
    }

    package func readPage(
        _ request: PageRequest,
        for ticket: ReadTicket,
        completion: @escaping @Sendable (Result<Page, LogError>) -> Void
    ) {
        let examinedMax = self.examinedMax
        self.read(for: ticket, completion) { $0.page(request, examinedMax: examinedMax) }
    }

    package func findTail(
        of filter: TopicFilter,
        count: Int,
        upTo head: Int64,
        for ticket: ReadTicket,
        completion: @escaping @Sendable (Result<TailStart, LogError>) -> Void
    ) {
        self.read(for: ticket, completion) { $0.tail(of: filter, count: count, upTo: head) }
    }

    package func readMessage(
        id: Int64,
        completion: @escaping @Sendable (Result<Message?, LogError>) -> Void
    ) {
        self.read(for: ReadTicket(), completion) { $0.message(id: id) }
    }

    package func close() {
        self.commitAndAnnounce()
        self.state.withLock { $0.isClosed = true }
        while self.answerRead(at: 0) {}
    }

    private func read<Value: Sendable>(
        for ticket: ReadTicket,
        _ completion: @escaping @Sendable (Result<Value, LogError>) -> Void,
        _ work: @escaping @Sendable (SimulatedContents) -> Value
    ) {
        let answer: @Sendable () -> Void = {
            let result = self.state.withLock { state -> Result<Value, LogError> in
                if state.isClosed || !ticket.isWanted { return .failure(.closed) }
                if state.isFailing { return .failure(.unavailable("simulated")) }
                return .success(work(state.contents))
            }
            completion(result)
        }
        switch self.mode {
        case .immediate: answer()
        case .stepwise:
            self.state.withLock { $0.reads.append(Read(ticket: ticket, answer: answer)) }
        }
    }
}

/// The steps of a simulation.
extension SimulatedLog {
    /// Submissions that wait for a commit.
    package var submissionCount: Int { self.state.withLock { $0.submissions.count } }
    /// Reads that wait for their answer.
    package var readCount: Int { self.state.withLock { $0.reads.count } }
    /// Those of them that somebody waits for.
    package var wantedReadCount: Int {
        self.state.withLock { state in state.reads.count { $0.ticket.isWanted } }
    }
    /// Whether something is committed that nobody was told of.
    package var hasUnannounced: Bool { self.state.withLock { !$0.committed.isEmpty } }
    /// Everything that still exists, in order.
    package var messages: [Message] { self.state.withLock { $0.contents.messages } }

    /// From now on reads fail and drafts are not stored, or it works again.
    package func setFailing(_ isFailing: Bool) {
        self.state.withLock { $0.isFailing = isFailing }
    }

    /// Makes the oldest `count` submissions durable: visible to readers, not yet announced.
    package func commit(_ count: Int) {
        self.state.withLock { state in
            precondition(state.committed.isEmpty, "one transaction after the other")
            let taken = state.submissions.prefix(count)
            state.submissions.removeFirst(taken.count)
            var news = SimulatedContents.News()
            var answers: [@Sendable () -> Void] = []
            for submission in taken {
                state.admitted -= submission.drafts.count
                let results =
                    state.isFailing
                    ? submission.failed(.unavailable("simulated"))
                    : state.contents.append(
                        submission.drafts,
                        atomic: submission.isAtomic,
                        to: &news
                    )
                answers.append { submission.completion(results) }
            }
            if !news.messages.isEmpty { state.tell(.committed(CommittedBatch(news.messages))) }
            for end in news.ends { state.tell(.ended(end)) }
            state.committed.append(contentsOf: answers)
        }
    }

    /// Announces what was committed, or gives the next answer.
    ///
    /// - Returns: `false` when there was nothing to tell.
    package func tellNext() -> Bool {
        let next = self.state.withLock { state in
            state.committed.isEmpty ? nil : state.committed.removeFirst()
        }
        next?()
        return next != nil
    }

    package func commitAndAnnounce() {
        self.commits.lock()
        defer { self.commits.unlock() }
        while self.tellNext() {}
        self.commit(Int.max)
        while self.tellNext() {}
    }

    /// Answers one of the waiting reads, with what the log has now.
    ///
    /// - Returns: `false` when none waits there.
    package func answerRead(at index: Int) -> Bool {
        let read = self.state.withLock { state in
            state.reads.indices.contains(index) ? state.reads.remove(at: index) : nil
        }
        read?.answer()
        return read != nil
    }

    /// Removes messages, as retention would.
    package func remove(where isRemoved: (Message) -> Bool) {
        self.state.withLock { $0.contents.remove(where: isRemoved) }
    }

    /// Removes the messages of a topic up to an id, as an operator would: gone for readers, not yet
    /// announced.
    ///
    /// - Returns: `false` when there is no such topic.
    package func purge(_ topic: TopicName, through id: Int64) -> Bool {
        self.state.withLock { state in
            guard let removed = state.contents.purge(topic, through: id) else { return false }
            state.tell(.purged(topic, through: removed))
            return true
        }
    }

    /// Deletes a topic, as an operator would: gone for readers, not yet announced.
    ///
    /// - Returns: `false` when there is no such topic.
    package func delete(_ topic: TopicName) -> Bool {
        self.state.withLock { state in
            guard let removed = state.contents.delete(topic) else { return false }
            state.tell(.deleted(topic, through: removed))
            return true
        }
    }

    /// Ends a topic, as an operator would: ended for all who ask, not yet announced.
    ///
    /// - Returns: How it has ended, now or before; nothing when there is no such topic.
    package func end(_ topic: TopicName, _ reason: TopicEnd.Reason = .ended) -> TopicEnd? {
        self.state.withLock { state in
            guard let (end, isNew) = state.contents.end(topic, reason) else { return nil }
            if isNew { state.tell(.ended(end)) }
            return end
        }
    }

    /// Lets a topic that has ended take messages again, as an operator would.
    ///
    /// - Returns: `false` when it had not ended; nothing when there is no such topic.
    package func reopen(_ topic: TopicName) -> Bool? {
        self.state.withLock { $0.contents.reopen(topic) }
    }

    /// What a restart forgets: that ids were skipped since the last message.
    ///
    /// So many ids were used up behind its back.
    package func restart(used: Int64 = 0) {
        self.state.withLock { $0.contents.restart(used: used) }
    }
}
