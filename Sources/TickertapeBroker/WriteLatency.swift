import Metrics

/// How long messages take from their commit to the sockets of those who are live.
///
/// Confined to its event loop. One value a write, of its oldest message; the clock is read once a
/// step, when it is over.
struct WriteLatency {
    private let timer = Timer(label: "tickertape_commit_to_socket_seconds")
    /// Writes of the step under way by the time of their commit; most have the same.
    private var writes: [(committedAt: UInt64, count: Int)] = []

    mutating func wrote(committedAt nanoseconds: UInt64) {
        if let last = self.writes.indices.last, self.writes[last].committedAt == nanoseconds {
            self.writes[last].count += 1
        } else {
            self.writes.append((nanoseconds, 1))
        }
    }

    mutating func stepEnded(at now: UInt64) {
        for (committedAt, count) in self.writes {
            let nanoseconds = Int64(clamping: now - min(now, committedAt))
            for _ in 0..<count { self.timer.recordNanoseconds(nanoseconds) }
        }
        self.writes.removeAll(keepingCapacity: true)
    }
}
