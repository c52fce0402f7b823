import Foundation
import Synchronization
import TickertapeCore

/// Drafts on their way to the writer thread, bounded in messages and bytes.
///
/// Any thread. Drafts are counted from `admit` until `release`, so that what waits on an event
/// loop or inside a transaction counts too.
final class WriteQueue: Sendable {
    struct Submission: Sendable {
        let drafts: [Draft]
        /// Whether all are stored or none.
        let isAtomic: Bool
        let bytes: Int
        /// When the event loop handed it over.
        let handedOver: ContinuousClock.Instant
        let completion: @Sendable ([AppendResult]) -> Void

        /// Answers that nothing of it was stored, and so nothing of its sequences will be.
        func fail(_ error: LogError) {
            for draft in self.drafts { draft.sequence?.breakOff() }
            var results = Array(repeating: AppendResult.failed(error), count: self.drafts.count)
            if self.isAtomic {
                for index in results.indices.dropFirst() { results[index] = .skipped }
            }
            self.completion(results)
        }
    }

    /// What an operator asked for: done by the writer between two transactions.
    typealias Job = @Sendable (LogWriter) -> Void

    enum Work {
        case submissions([Submission])
        /// Jobs are there, and nothing else.
        case jobs
        /// Nothing came until the deadline.
        case nothing
        /// Closed and empty.
        case closed
    }

    private struct Waiting {
        var submissions: [Submission] = []
        var jobs: [Job] = []
        var isClosed = false
        /// The writer has seen that it is closed and empty.
        var isEnded = false
    }

    private let limits: Limits
    private let messages = Atomic<Int>(0)
    private let bytes = Atomic<Int>(0)
    private let condition = NSCondition()
    // Safety: touched only with `condition` locked.
    nonisolated(unsafe) private var waiting = Waiting()

    init(limits: Limits) {
        self.limits = limits
    }

    func admit(messages count: Int = 1, bytes: Int) -> Bool {
        let messages = self.messages.add(count, ordering: .relaxed).newValue
        let total = self.bytes.add(bytes, ordering: .relaxed).newValue
        if messages <= self.limits.queueMessagesMax && total <= self.limits.queueBytesMax {
            return true
        }
        self.release(messages: count, bytes: bytes)
        return false
    }

    func release(messages: Int, bytes: Int) {
        let left = self.messages.subtract(messages, ordering: .relaxed).newValue
        let bytesLeft = self.bytes.subtract(bytes, ordering: .relaxed).newValue
        assert(left >= 0 && bytesLeft >= 0, "released more than was admitted")
    }

    /// Puts a submission at the end.
    ///
    /// Taken until the writer has ended, so that results come in the order of submissions.
    ///
    /// - Returns: `false` when the writer has ended; the submission is not taken then.
    func append(_ submission: Submission) -> Bool {
        self.condition.lock()
        guard !self.waiting.isEnded else {
            self.condition.unlock()
            return false
        }
        self.waiting.submissions.append(submission)
        let isFirst = self.waiting.submissions.count == 1
        self.condition.unlock()
        // Not with the lock held: the writer would wake up only to wait for it.
        if isFirst { self.condition.signal() }
        return true
    }

    enum JobAction {
        case taken
        /// There are too many.
        case refused
        /// The writer has ended.
        case ended
    }

    /// Puts a job at the end of those that wait; they are done in order.
    func append(_ job: @escaping Job) -> JobAction {
        self.condition.lock()
        defer { self.condition.unlock() }
        guard !self.waiting.isEnded else { return .ended }
        guard self.waiting.jobs.count < self.limits.administrationJobsMax else { return .refused }
        self.waiting.jobs.append(job)
        self.condition.signal()
        return .taken
    }

    /// Takes the job that has waited longest.
    func takeJob() -> Job? {
        self.condition.lock()
        defer { self.condition.unlock() }
        return self.waiting.jobs.isEmpty ? nil : self.waiting.jobs.removeFirst()
    }

    /// Messages and bytes that were admitted and are not released.
    var admitted: (messages: Int, bytes: Int) {
        (self.messages.load(ordering: .relaxed), self.bytes.load(ordering: .relaxed))
    }

    func close() {
        self.condition.lock()
        self.waiting.isClosed = true
        self.condition.signal()
        self.condition.unlock()
    }

    /// Takes everything that waits, besides `taken` messages that were taken and not released.
    ///
    /// What was admitted but is not here is on its way, within one turn of an event loop: that is
    /// waited for, a moment at most, so that the turn is one transaction.
    func poll(taken: Int) -> [Submission] {
        self.condition.lock()
        defer { self.condition.unlock() }
        let wait = Double(self.limits.turnMicrosecondsMax) / 1_000_000
        let deadline = Date(timeIntervalSinceNow: wait)
        // A loop: a signal may be late and tell of what was taken already.
        while self.waiting.submissions.isEmpty && !self.waiting.isClosed
            && self.messages.load(ordering: .relaxed) > taken
        {
            if !self.condition.wait(until: deadline) { break }
        }
        return self.takeAll()
    }

    /// Waits until something is there, at most until `deadline`.
    func wait(until deadline: Date) -> Work {
        self.condition.lock()
        defer { self.condition.unlock() }
        while self.waiting.submissions.isEmpty {
            if !self.waiting.jobs.isEmpty { return .jobs }
            if self.waiting.isClosed {
                self.waiting.isEnded = true
                return .closed
            }
            if !self.condition.wait(until: deadline) { break }
        }
        let taken = self.takeAll()
        return taken.isEmpty ? .nothing : .submissions(taken)
    }

    private func takeAll() -> [Submission] {
        var taken: [Submission] = []
        swap(&taken, &self.waiting.submissions)
        return taken
    }
}
