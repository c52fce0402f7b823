/// A rate with one second's worth in advance.
///
/// Pure: the time is given.
struct TokenBucket {
    private let perSecond: Double
    private let burst: Double
    private var level: Double
    private var lastNanoseconds: UInt64

    /// `burstMin` is what may always come at once.
    init(perSecond: Double, burstMin: Double, now nanoseconds: UInt64) {
        self.perSecond = perSecond
        self.burst = max(perSecond, burstMin)
        self.level = self.burst
        self.lastNanoseconds = nanoseconds
    }

    /// Whether it was made for this rate.
    func has(perSecond: Double) -> Bool { self.perSecond == perSecond }

    mutating func isFull(now nanoseconds: UInt64) -> Bool {
        self.fill(now: nanoseconds)
        return self.level >= self.burst
    }

    /// Seconds until so much may be taken; 0 when it may be now.
    ///
    /// More than fits may be taken from a full one, which then owes it.
    mutating func wait(for amount: Double, now nanoseconds: UInt64) -> Double {
        self.fill(now: nanoseconds)
        let missing = min(amount, self.burst) - self.level
        return missing <= 0 ? 0 : missing / self.perSecond
    }

    mutating func take(_ amount: Double) {
        self.level -= amount
    }

    private mutating func fill(now nanoseconds: UInt64) {
        // Loops read the clock one after the other, and ask in another order.
        guard nanoseconds > self.lastNanoseconds else { return }
        let seconds = Double(nanoseconds - self.lastNanoseconds) / 1_000_000_000
        self.lastNanoseconds = nanoseconds
        self.level = min(self.burst, self.level + seconds * self.perSecond)
    }
}
