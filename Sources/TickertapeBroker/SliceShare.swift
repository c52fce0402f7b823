/// How long a slice of deliveries may go on: half as long as the loop took for everything else since
/// the slice before, while that left something to deliver.
///
/// Pure; a slice has its number of subscribers in any case. Without it a loop that a thousand
/// publishers write to reads them all and serves a dozen subscribers, turn after turn: what is
/// committed waits the longer the more is published.
struct SliceShare {
    /// Nanoseconds a slice goes on at most, so that publishers do not wait for long.
    let nanosecondsMax: UInt64
    /// When the slice before ended, if it left something to do.
    private var lastEnd: UInt64?

    init(nanosecondsMax: UInt64) {
        self.nanosecondsMax = nanosecondsMax
    }

    /// - Returns: Until when the slice that begins now may go on.
    func deadline(from now: UInt64) -> UInt64 {
        guard let lastEnd = self.lastEnd, lastEnd < now else { return now }
        return now + min((now - lastEnd) / 2, self.nanosecondsMax)
    }

    /// Notes that a slice is over.
    ///
    /// Only when the next follows at once is what passes before it the loop's other work.
    mutating func ended(at now: UInt64, hasMore: Bool) {
        self.lastEnd = hasMore ? now : nil
    }
}
