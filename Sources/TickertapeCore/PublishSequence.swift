import Synchronization

/// Messages that are stored in order without a hole: once one was not, none after it is.
///
/// Shared by the drafts of one streaming publish, of which many may be on their way. Any thread; the
/// log breaks it before it looks at the next draft.
package final class PublishSequence: Sendable {
    private let broken = Atomic<Bool>(false)

    package init() {}

    package var isBroken: Bool { self.broken.load(ordering: .acquiring) }

    package func breakOff() { self.broken.store(true, ordering: .releasing) }
}
