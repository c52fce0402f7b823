import Foundation
import TickertapeCore

/// A few threads that read pages, first come first served.
///
/// Any thread. The queue is bounded by its callers: a subscription or request has at most one
/// page being read. Those of connections that are gone are done without reading.
final class ReaderPool: Sendable {
    /// Gets no reader when the pool is closed.
    typealias Job = @Sendable (PageReader?) -> Void

    private let condition = NSCondition()
    // Safety: touched only with `condition` locked.
    nonisolated(unsafe) private var jobs: [Job] = []
    nonisolated(unsafe) private var firstJob = 0
    nonisolated(unsafe) private var isClosed = false
    nonisolated(unsafe) private var runningCount = 0

    /// Starts a thread for a reader.
    func start(number: Int, _ reader: Handover<PageReader>) {
        self.condition.lock()
        self.runningCount += 1
        self.condition.unlock()
        let thread = Thread {
            reader.use { reader in
                while let job = self.next() { job(reader) }
            }
            self.condition.lock()
            self.runningCount -= 1
            self.condition.broadcast()
            self.condition.unlock()
        }
        thread.name = "tt-reader-\(number)"
        thread.start()
    }

    func submit(_ job: @escaping Job) {
        self.condition.lock()
        guard !self.isClosed else {
            self.condition.unlock()
            job(nil)
            return
        }
        self.jobs.append(job)
        self.condition.signal()
        self.condition.unlock()
    }

    /// Waits for the next job; nothing once the pool is closed.
    private func next() -> Job? {
        self.condition.lock()
        defer { self.condition.unlock() }
        while self.firstJob == self.jobs.count {
            if self.isClosed { return nil }
            self.condition.wait()
        }
        let job = self.jobs[self.firstJob]
        self.firstJob += 1
        if self.firstJob == self.jobs.count {
            self.jobs.removeAll(keepingCapacity: true)
            self.firstJob = 0
        } else if self.firstJob > 1_024 {
            self.jobs.removeFirst(self.firstJob)
            self.firstJob = 0
        }
        return job
    }

    /// Lets the threads finish what they read, not what is queued, and waits for them.
    func close() {
        self.condition.lock()
        self.isClosed = true
        let left = self.jobs[self.firstJob...]
        self.jobs = []
        self.firstJob = 0
        self.condition.broadcast()
        self.condition.unlock()
        for job in left { job(nil) }
        self.condition.lock()
        while self.runningCount > 0 { self.condition.wait() }
        self.condition.unlock()
    }
}
