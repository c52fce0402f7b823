import TickertapeCore
import TickertapeLog

/// How an audience counts what its subscriptions are written.
extension Audience {
    /// What one write carries.
    struct Written {
        let out: LoopStatistics.Out
        /// When the first of its messages was committed.
        let commitNanoseconds: UInt64
    }

    /// Everything that waits after `cursor` was written to somebody.
    func noteWrite(after cursor: Int64, _ recent: RecentBatches) -> Written {
        let first = self.firstPending(after: cursor)
        let last = self.pending.count - 1
        self.pending[first].writesBegun += 1
        self.pending[last].writesEnded += 1
        self.hasUncounted = true
        let bytes = self.payloadBytes - self.pending[first].payloadBefore
        return Written(
            out: .init(messages: Int64(last - first + 1), bytes: Int64(bytes)),
            commitNanoseconds: recent.batch(of: self.pending[first].sequence).uptimeNanoseconds
        )
    }

    /// Adds up what was written since this was last done.
    ///
    /// To be done before anything leaves those that wait, or their batches the recent ones.
    func countWrites(_ recent: RecentBatches, into counters: inout LoopCounters) {
        guard self.hasUncounted else { return }
        self.hasUncounted = false
        var writes: Int64 = 0
        var sum = LoopStatistics.Out()
        for place in self.pending.indices {
            let waiting = self.pending[place]
            writes += Int64(waiting.writesBegun)
            defer { writes -= Int64(waiting.writesEnded) }
            guard writes > 0 else { continue }
            let next = place + 1
            let end =
                next < self.pending.count ? self.pending[next].payloadBefore : self.payloadBytes
            let out = LoopStatistics.Out(
                messages: 1,
                bytes: Int64(end - waiting.payloadBefore)
            )
            if self.onlyTopic == nil {
                let topic = recent.message(at: waiting.position).topic
                counters.attribute(out, to: topic, times: writes)
            } else {
                sum.add(out, times: writes)
            }
            self.pending[place].writesBegun = 0
            self.pending[place].writesEnded = 0
        }
        if let topic = self.onlyTopic { counters.attribute(sum, to: topic, times: 1) }
    }
}
