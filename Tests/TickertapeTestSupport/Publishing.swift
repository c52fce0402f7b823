package import TickertapeCore
package import TickertapeLog

extension MessageLog {
    /// Publishes as a door does, all in one submission, and waits until the log has answered.
    ///
    /// - Returns: One result a draft, in order.
    @discardableResult
    package func publish(_ drafts: [Draft]) async -> [AppendResult] {
        for draft in drafts { precondition(self.admit(draft), "the write queue has room") }
        return await withCheckedContinuation { continuation in
            self.append(drafts) { continuation.resume(returning: $0) }
        }
    }
}
