import TickertapeBroker
import TickertapeCore
import TickertapeLog

/// Publishes on one loop and checks the answers.
final class SimulatedPublisher: PublishReply {
    private struct Outstanding {
        let draft: Draft
        let publishesAgain: Bool
    }

    private let fanout: LoopFanout
    private let history: CommittedHistory
    private var outstanding: [Int: Outstanding] = [:]
    private var nextNumber = 0
    private var lastID: Int64 = 0
    private var again: [Draft] = []
    private(set) var refusedCount = 0
    private(set) var wrong: String?

    var outstandingCount: Int { self.outstanding.count }

    init(_ fanout: LoopFanout, _ history: CommittedHistory) {
        self.fanout = fanout
        self.history = history
    }

    /// Publishes; `again` is once more from within the answer.
    func publish(_ draft: Draft, again: Bool) {
        let number = self.nextNumber
        guard self.fanout.publish(draft, reply: self, number: number) else {
            self.refusedCount += 1
            return
        }
        self.nextNumber += 1
        self.outstanding[number] = Outstanding(draft: draft, publishesAgain: again)
    }

    func published(_ result: AppendResult, number: Int) {
        guard let outstanding = self.outstanding.removeValue(forKey: number) else {
            self.wrong = self.wrong ?? "\(number) is answered twice"
            return
        }
        switch result {
        case .stored(let id):
            let stored = self.history[id]
            let isSame =
                stored?.topic == outstanding.draft.topic && stored?.data == outstanding.draft.data
            if !isSame { self.wrong = self.wrong ?? "\(number) is answered with \(id)" }
            if id <= self.lastID { self.wrong = self.wrong ?? "\(id) after \(self.lastID)" }
            self.lastID = id
        case .failed: break
        case .topicEnded(let end) where end.topic == outstanding.draft.topic: break
        case .alreadyStored, .idempotencyKeyReused, .refused, .ended, .topicEnded,
            .conditionFailed, .skipped:
            self.wrong = self.wrong ?? "\(number) is answered with \(result)"
        }
        if outstanding.publishesAgain { self.again.append(outstanding.draft) }
    }

    func publishedAll() {
        let drafts = self.again
        self.again = []
        for draft in drafts { self.publish(draft, again: false) }
    }
}

/// A history request that waits for its first message.
final class SimulatedWaiter {
    private let filter: TopicFilter
    private let fanout: LoopFanout
    private var since: Int64 = 0
    private var wokenCount = 0
    private var waiter: HistoryWaiter?

    init(_ filter: TopicFilter, on fanout: LoopFanout) {
        self.filter = filter
        self.fanout = fanout
        let waiter = HistoryWaiter { [weak self] in self?.wokenCount += 1 }
        self.waiter = waiter
        fanout.wait(for: filter, waiter: waiter)
        self.since = fanout.delivered
    }

    func stop() {
        if let waiter = self.waiter, self.wokenCount == 0 {
            self.fanout.stopWaiting(for: self.filter, waiter: waiter)
        }
        self.waiter = nil
    }

    /// What is wrong once everything has come to rest.
    ///
    /// It may be woken by what was still to be delivered when it came; it then reads in vain.
    func missing(_ history: CommittedHistory) -> String? {
        let later = history.messages.dropFirst(Int(self.since))
        let isDue = later.contains { self.filter.matches($0.topic) }
        guard self.wokenCount > 1 || (isDue && self.wokenCount == 0) else { return nil }
        return
            "a waiter of \(self.filter.patterns) since \(self.since) woken \(self.wokenCount) times"
    }
}
