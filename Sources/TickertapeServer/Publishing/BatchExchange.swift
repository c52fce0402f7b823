import NIOCore
import TickertapeBroker
import TickertapeCore
import TickertapeLog
import TickertapeWire

/// An atomic batch that is on its way to the log.
///
/// Confined to its event loop. The connection holds everything else until it is answered.
final class BatchExchange: PublishReply {
    private let topics: [TopicName]
    private let end: RequestEnd
    private weak var connection: ConnectionHandler?
    private var results: [AppendResult] = []
    private var isAnswered = false

    init(_ drafts: [Draft], _ end: RequestEnd, _ connection: ConnectionHandler) {
        self.topics = drafts.map(\.topic)
        self.end = end
        self.connection = connection
    }

    func published(_ result: AppendResult, number: Int) {
        precondition(number == self.results.count, "results come in the order of drafts")
        self.results.append(result)
    }

    /// Told once for each message.
    func publishedAll() {
        guard !self.isAnswered, let connection = self.connection else { return }
        self.isAnswered = true
        connection.finish(self.answer(connection.server), self.end)
    }

    private func answer(_ server: LoopServer) -> Result<Answered, Problem> {
        var published: [(id: Int64, topic: TopicName)] = []
        var isNew = false
        var refusal: Problem?
        for (index, (result, topic)) in zip(self.results, self.topics).enumerated() {
            switch PublishOutcome(result, topic, server) {
            case .published(let id, let isRepeated):
                published.append((id, topic))
                isNew = isNew || !isRepeated
            case .ended: preconditionFailure("each line of a batch has a message")
            case .refused(var problem):
                // The others were left out because of one: that one tells why.
                guard refusal == nil || refusal?.code == .notStored else { continue }
                // A failure of the log is that of all.
                if problem.retryAfterSeconds == nil { problem.line = index + 1 }
                refusal = problem
            }
        }
        if let refusal { return .failure(refusal) }
        var body = ByteBufferAllocator().buffer(capacity: 32 + published.count * 48)
        body.writeJSON(published: published)
        return .success(
            Answered(
                status: isNew ? "201 Created" : "200 OK",
                type: "application/json",
                body: body,
                fields: []
            )
        )
    }
}
