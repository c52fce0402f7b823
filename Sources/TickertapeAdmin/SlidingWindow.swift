/// How many a second, over the last 1, 10 and 60 s.
struct Rates: Equatable, Sendable {
    var over1 = 0.0
    var over10 = 0.0
    var over60 = 0.0

    static let spans = [1, 10, 60]
}

/// The counters of the broker at one moment.
struct CounterPoint: Sendable {
    /// Of a clock that only goes forward.
    var seconds = 0.0
    var messagesIn: Int64 = 0
    var bytesIn: Int64 = 0
    var messagesOut: Int64 = 0
    var bytesOut: Int64 = 0
    var commits: Int64 = 0
    var commitSeconds = 0.0
    /// The longest since the point before.
    var commitSecondsMax = 0.0
    var pagesFromLog: Int64 = 0
}

/// What the counters were at each of the last seconds.
///
/// Pure. The oldest of 61 points goes when another comes.
struct SlidingWindow: Sendable {
    /// The newest last; at least one once the broker runs.
    private(set) var points: [CounterPoint] = []

    static let pointsMax = 61

    mutating func add(_ point: CounterPoint) {
        if self.points.count == Self.pointsMax { self.points.removeFirst() }
        self.points.append(point)
    }

    /// How fast a counter grew; over as long as there is, while that is less than was asked for.
    func rates(_ counter: KeyPath<CounterPoint, Int64>) -> Rates {
        Rates(
            over1: self.rate(counter, 1),
            over10: self.rate(counter, 10),
            over60: self.rate(counter, 60)
        )
    }

    private func rate(_ counter: KeyPath<CounterPoint, Int64>, _ span: Int) -> Double {
        guard let newest = self.points.last, self.points.count > 1 else { return 0 }
        let oldest = self.points[max(0, self.points.count - 1 - span)]
        return Double(newest[keyPath: counter] - oldest[keyPath: counter])
            / max(newest.seconds - oldest.seconds, 0.001)
    }

    /// The same second by second, oldest first; 60 values, the first of them 0 after a start.
    func recent(_ counter: KeyPath<CounterPoint, Int64>) -> [Double] {
        let values = zip(self.points, self.points.dropFirst()).map { before, after in
            Double(after[keyPath: counter] - before[keyPath: counter])
                / max(after.seconds - before.seconds, 0.001)
        }
        return Array(repeating: 0, count: Self.pointsMax - 1 - values.count) + values
    }

    /// What commits were like over the last 10 s.
    struct Commits: Equatable, Sendable {
        var messagesMean = 0.0
        var secondsMean = 0.0
        var secondsMax = 0.0
    }

    var commits: Commits {
        let last = self.points.suffix(11)
        guard let first = last.first, let newest = last.last else { return Commits() }
        let count = Double(newest.commits - first.commits)
        guard count > 0 else { return Commits() }
        return Commits(
            messagesMean: Double(newest.messagesIn - first.messagesIn) / count,
            secondsMean: (newest.commitSeconds - first.commitSeconds) / count,
            secondsMax: last.dropFirst().map(\.commitSecondsMax).max() ?? 0
        )
    }
}
