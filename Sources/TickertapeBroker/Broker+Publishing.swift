import Synchronization
package import TickertapeCore
package import TickertapeLog

extension Broker {
    /// Publishes from outside the event loops, in order; returns when everything is durable.
    ///
    /// Bounded like everything else by the write queue. Drafts are handed to the log in pieces of
    /// the size that loops use, so that many do not hold up the publishes of others.
    ///
    /// - Returns: One result a draft, in order. Fewer when the write queue was full: the drafts at
    ///   the end were not taken then, and may be published again later.
    package func publish(_ drafts: [Draft]) async -> [AppendResult] {
        let pieces = self.admitted(drafts)
        guard !pieces.isEmpty else { return [] }
        return await withCheckedContinuation { continuation in
            let gathered = GatheredResults(pieceCount: pieces.count) {
                continuation.resume(returning: $0)
            }
            for piece in pieces { self.log.append(piece) { gathered.add($0) } }
        }
    }

    /// As many of the drafts as there is room for, in pieces.
    private func admitted(_ drafts: [Draft]) -> [[Draft]] {
        var pieces: [[Draft]] = []
        var bytes = 0
        for draft in drafts {
            guard self.log.admit(draft) else { break }
            let isFull =
                pieces.last.map { $0.count >= self.limits.submissionMessagesMax } ?? true
                || bytes >= self.limits.submissionBytesMax
            if isFull {
                pieces.append([])
                bytes = 0
            }
            pieces[pieces.count - 1].append(draft)
            bytes += draft.bytes
        }
        return pieces
    }
}

/// The results of several submissions, in the order of the submissions.
///
/// Any thread; the log answers submissions in their order.
private final class GatheredResults: Sendable {
    private struct State {
        var results: [AppendResult] = []
        var piecesLeft: Int
    }

    private let state: Mutex<State>
    private let then: @Sendable ([AppendResult]) -> Void

    init(pieceCount: Int, then: @escaping @Sendable ([AppendResult]) -> Void) {
        self.state = Mutex(State(piecesLeft: pieceCount))
        self.then = then
    }

    func add(_ results: [AppendResult]) {
        let all = self.state.withLock { state -> [AppendResult]? in
            state.results += results
            state.piecesLeft -= 1
            return state.piecesLeft == 0 ? state.results : nil
        }
        if let all { self.then(all) }
    }
}
