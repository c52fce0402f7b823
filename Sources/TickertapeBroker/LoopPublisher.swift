import NIOCore
import TickertapeCore
package import TickertapeLog

/// Who is answered when a publish is durable.
///
/// Confined to its event loop.
package protocol PublishReply: AnyObject {
    /// The publish that was made with this number is over.
    func published(_ result: AppendResult, number: Int)

    /// All results of one commit have been told: write the answers.
    func publishedAll()
}

/// Gathers the publishes of one turn of an event loop and hands them to the log as one.
///
/// Confined to its event loop.
struct LoopPublisher {
    /// One publish that waits for its answer.
    struct Pending {
        let reply: any PublishReply
        let number: Int
    }

    private var drafts: [Draft] = []
    private var draftBytes = 0
    private var pending: [Pending] = []
    /// Submissions the log has not answered yet; it answers in order.
    private var submitted = CircularBuffer<[Pending]>()
    private let limits: Limits

    init(limits: Limits) {
        self.limits = limits
    }

    enum AddAction {
        /// The first of this turn: submit when the turn is over.
        case submitLater
        /// There is no room for more in one piece.
        case submitNow
        case none
    }

    mutating func add(_ draft: Draft, reply: any PublishReply, number: Int) -> AddAction {
        self.drafts.append(draft)
        self.draftBytes += draft.bytes
        self.pending.append(Pending(reply: reply, number: number))
        if self.drafts.count >= self.limits.submissionMessagesMax
            || self.draftBytes >= self.limits.submissionBytesMax
        {
            return .submitNow
        }
        return self.drafts.count == 1 ? .submitLater : .none
    }

    /// Takes what was gathered; empty when it was submitted already.
    mutating func takeSubmission() -> [Draft] {
        guard !self.drafts.isEmpty else { return [] }
        var taken: [Draft] = []
        swap(&taken, &self.drafts)
        self.draftBytes = 0
        self.submitted.append(self.pending)
        self.pending = []
        return taken
    }

    /// What was not gathered here was handed over: its places are told as numbers.
    mutating func submitted(count: Int, reply: any PublishReply) {
        precondition(self.drafts.isEmpty, "what was gathered goes first")
        self.submitted.append((0..<count).map { Pending(reply: reply, number: $0) })
    }

    /// The log has answered the oldest submission: takes out who is to be told.
    mutating func takeAnswered() -> [Pending] {
        self.submitted.removeFirst()
    }
}
