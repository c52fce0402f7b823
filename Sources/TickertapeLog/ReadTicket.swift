import Synchronization

/// Says whether somebody still waits for what is read.
///
/// Any thread. A reader asks before it begins: who connects and leaves again costs no read.
package final class ReadTicket: Sendable {
    private let isGivenBack = Atomic<Bool>(false)

    package init() {}

    package var isWanted: Bool { !self.isGivenBack.load(ordering: .relaxed) }

    /// Nobody waits any more; for good.
    package func giveBack() {
        self.isGivenBack.store(true, ordering: .relaxed)
    }
}
