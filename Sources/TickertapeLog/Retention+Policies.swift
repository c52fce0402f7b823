import TickertapeCore

/// Policies that change.
extension Retention {
    /// The policy of a pattern was set or removed: its topics are looked through, some at a time.
    mutating func policyChanged(_ pattern: TopicPattern, _ policies: PolicySet) {
        self.policies = policies
        self.changed.append(pattern)
        // To look at every topic costs less than to match very many patterns.
        if self.changed.count > Self.changedMax { self.changed = [PolicySet.fallback.pattern] }
        self.reviewed = 0
    }

    private static let changedMax = 16

    mutating func reviewSome(_ now: Int64, until deadline: ContinuousClock.Instant) {
        guard !self.changed.isEmpty else { return }
        let names = self.shared.catalog.table.names
        assert(names.count == self.books.count, "the catalog has the same topics, in one order")
        let end = min(self.reviewed + self.limits.reviewedTopicsMax, self.books.count)
        while self.reviewed < end {
            let index = self.reviewed
            self.reviewed += 1
            if self.changed.contains(where: { $0.matches(names[index]) }) {
                self.machine.assign(
                    index,
                    .init(self.policies.policy(for: names[index])),
                    atMilliseconds: now
                )
            }
            // Publishers may wait, and there may be many policies to match.
            if self.reviewed % 64 == 0 && ContinuousClock.now >= deadline { break }
        }
        if self.reviewed == self.books.count { self.changed = [] }
    }
}
