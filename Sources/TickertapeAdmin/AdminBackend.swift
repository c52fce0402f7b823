import NIOCore
import Synchronization
import TickertapeBroker
import TickertapeCore
import TickertapeLog

/// What the routes of the door work on.
struct AdminBackend: Sendable {
    let log: any MessageLog & LogAdministration
    let broker: any BrokerAdministration
    let sampler: Sampler
    let limits: Limits
    /// What never changes while the broker runs.
    let identity: Identity
    let connections: @Sendable () -> Int
    let streams: OpenStreams
    let isDraining: @Sendable () -> Bool
    /// Watches for messages of a filter; nothing when the broker has stopped.
    let signal: @Sendable (TopicFilter) async -> MessageSignal?
    /// The text of `/metrics`.
    let metrics: @Sendable () -> ByteBuffer

    struct Identity: Sendable {
        let version: String
        let startedMilliseconds: Int64
        /// Of the public port: `127.0.0.1:1867`.
        let address: String
        let dataDirectory: String
    }
}

/// The log as tasks use it; a task that is cancelled gives its read back.
extension MessageLog {
    func page(_ request: PageRequest) async throws(LogError) -> Page {
        let ticket = ReadTicket()
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                self.readPage(request, for: ticket) { continuation.resume(returning: $0) }
            }
        } onCancel: {
            ticket.giveBack()
        }
        return try result.get()
    }

    func tail(
        of filter: TopicFilter,
        count: Int,
        upTo head: Int64
    ) async throws(LogError) -> TailStart {
        let ticket = ReadTicket()
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                self.findTail(of: filter, count: count, upTo: head, for: ticket) {
                    continuation.resume(returning: $0)
                }
            }
        } onCancel: {
            ticket.giveBack()
        }
        return try result.get()
    }
}
