package import TickertapeCore

/// Sees to it that a reader is told once of what retention took from it.
///
/// Pure. Fed with the pages of one reader in their order. Where topics lose messages unevenly,
/// several pages in a row lie before what was removed last; only the first says so. A page that
/// has nothing yet leaves the telling to the one that knows what still exists.
package struct GapTeller: Sendable {
    /// What was removed up to here was told.
    private var toldThrough: Int64 = 0
    /// The cursor from which something is missing that was not told.
    private var untoldSince: Int64?

    package init() {}

    /// Whether a page has left something to tell to the next.
    package var hasUntold: Bool { self.untoldSince != nil }

    /// What has to be told before the messages of `page`, which was read after `cursor`.
    package mutating func gap(before page: Page, after cursor: Int64) -> Gap? {
        if let removed = page.removedThrough, removed > max(cursor, self.toldThrough) {
            self.toldThrough = removed
            self.untoldSince = self.untoldSince ?? cursor
        }
        guard let since = self.untoldSince else { return nil }
        if let first = page.messages.first {
            self.untoldSince = nil
            return Gap(
                after: since,
                resumed: first.id,
                reason: .retention,
                cursor: first.id - 1
            )
        }
        guard page.through >= page.head else { return nil }
        self.untoldSince = nil
        return Gap(
            after: since,
            resumed: page.through,
            reason: .retention,
            cursor: page.through
        )
    }
}
