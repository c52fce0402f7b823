/// What the writer counts, once a commit.
struct LogCounters {
    var repeats: Int64 = 0
    var refusals: Int64 = 0
    var commits: Int64 = 0
    var commitTime = Duration.zero
    /// The longest since it was last asked for.
    var commitTimeMax = Duration.zero
    var messagesRemoved: Int64 = 0
    var bytesRemoved: Int64 = 0
    var topicsDue = 0
    var freePages: Int64 = 0

    mutating func committed(in time: Duration) {
        self.commits += 1
        self.commitTime += time
        self.commitTimeMax = max(self.commitTimeMax, time)
    }
}

extension Duration {
    var inSeconds: Double {
        let (seconds, attoseconds) = self.components
        return Double(seconds) + Double(attoseconds) / 1e18
    }

    var inNanoseconds: Int64 {
        let (seconds, attoseconds) = self.components
        return seconds * 1_000_000_000 + attoseconds / 1_000_000_000
    }
}
