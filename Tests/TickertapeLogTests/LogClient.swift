import GRDB
import Logging
import Synchronization
import TickertapeCore
import TickertapeLog
import TickertapeTestSupport

/// The log's calls, to be awaited.
extension MessageLog {
    func append(_ drafts: [Draft], atomic: Bool = false) async -> [AppendResult] {
        await withCheckedContinuation { continuation in
            for draft in drafts { precondition(self.admit(draft), "there is room") }
            self.append(drafts, atomic: atomic) { continuation.resume(returning: $0) }
        }
    }

    func append(_ drafts: Draft...) async -> [AppendResult] {
        await self.append(drafts)
    }

    func page(_ request: PageRequest, for ticket: ReadTicket = ReadTicket()) async throws -> Page {
        try await withCheckedContinuation { continuation in
            self.readPage(request, for: ticket) { continuation.resume(returning: $0) }
        }.get()
    }

    func page(
        of patterns: String...,
        after cursor: Int64 = 0,
        messagesMax: Int = 1_000,
        bytesMax: Int = 1_000_000,
        tail: TailStart? = nil
    ) async throws -> Page {
        try await self.page(
            PageRequest(
                filter: try filter(patterns),
                after: cursor,
                messagesMax: messagesMax,
                bytesMax: bytesMax,
                tail: tail
            )
        )
    }

    func tail(of patterns: String..., count: Int) async throws -> TailStart {
        try await self.tail(of: try filter(patterns), count: count)
    }

    func tail(
        of filter: TopicFilter,
        count: Int,
        for ticket: ReadTicket = ReadTicket()
    ) async throws -> TailStart {
        try await withCheckedContinuation { continuation in
            self.findTail(of: filter, count: count, upTo: self.head, for: ticket) {
                continuation.resume(returning: $0)
            }
        }.get()
    }

    func message(_ id: Int64) async throws -> Message? {
        try await withCheckedContinuation { continuation in
            self.readMessage(id: id) { continuation.resume(returning: $0) }
        }.get()
    }
}

/// The calls of operators, with names of topics as they are written.
///
/// They throw any error: an expectation cannot hold a call that throws one of a type.
extension LogAdministration {
    func set(_ policy: Policy) async throws -> Bool { try await self.setPolicy(policy) }

    func unset(_ pattern: String) async throws -> Bool {
        try await self.removePolicy(try TopicPattern(pattern))
    }

    func create(_ token: NewToken) async throws -> StoredToken? {
        try await self.createToken(token)
    }

    func revoke(_ id: Int64) async throws -> StoredToken? { try await self.revokeToken(id: id) }

    func create(_ topic: String) async throws -> Bool {
        try await self.createTopic(try TopicName(topic))
    }

    func delete(_ topic: String) async throws -> TopicRemoval? {
        try await self.deleteTopic(try TopicName(topic))
    }

    func end(_ topic: String, _ reason: TopicEnd.Reason = .ended) async throws -> TopicEnd? {
        try await self.endTopic(try TopicName(topic), reason: reason)
    }

    func reopen(_ topic: String) async throws -> Bool? {
        try await self.reopenTopic(try TopicName(topic))
    }

    func purge(_ topic: String, before id: Int64) async throws -> TopicRemoval? {
        try await self.purgeTopic(try TopicName(topic), before: id)
    }

    func known(_ numbers: Int64...) async throws -> [TopicDetails] {
        try await self.details(of: numbers)
    }

    func plan(_ policies: PolicySet) async throws -> [TopicRemoval] {
        try await self.planRetention(policies)
    }

    func first(atOrAfter time: Int64) async throws -> Int64 {
        try await self.firstID(atOrAfter: time)
    }

    func next(after cursor: Int64) async throws -> Int64? { try await self.time(after: cursor) }
}

extension AppendResult {
    var storedID: Int64? {
        guard case .stored(let id) = self else { return nil }
        return id
    }
}

func filter(_ patterns: [String]) throws -> TopicFilter {
    TopicFilter(try patterns.map { try TopicPattern($0) })
}

func draft(
    _ topic: String,
    _ data: String = "x",
    event: String? = nil,
    key: String? = nil,
    once: String? = nil,
    end: DraftEnd = .none,
    condition: PublishCondition? = nil,
    sequence: PublishSequence? = nil
) throws -> Draft {
    Draft(
        topic: try TopicName(topic),
        event: event,
        key: key,
        data: data,
        idempotencyKey: once,
        end: end,
        condition: condition,
        sequence: sequence
    )
}

/// A draft that ends a topic and has no message.
func ending(
    _ topic: String,
    _ reason: TopicEnd.Reason = .ended,
    sequence: PublishSequence? = nil
) throws -> Draft {
    .end(try TopicName(topic), reason: reason, sequence: sequence)
}

/// How a topic has ended; the time is not compared.
func end(_ topic: String, _ reason: TopicEnd.Reason = .ended, at id: Int64) throws -> TopicEnd {
    TopicEnd(topic: try TopicName(topic), reason: reason, lastID: id, timeMilliseconds: 0)
}

extension TopicEnd {
    var withoutTime: TopicEnd {
        TopicEnd(topic: self.topic, reason: self.reason, lastID: self.lastID, timeMilliseconds: 0)
    }
}

extension [AppendResult] {
    /// The times of ends are those of the log's clock.
    var withoutTimes: [AppendResult] {
        self.map { result in
            switch result {
            case .ended(let end): .ended(end.withoutTime)
            case .topicEnded(let end): .topicEnded(end.withoutTime)
            default: result
            }
        }
    }
}

let quietLogger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

/// What a log has told, in order.
final class Told: Sendable {
    enum Event: Equatable, Sendable {
        case batch([Int64])
        /// The answer to the call with this number.
        case results(Int, [AppendResult])
        /// A purge or a deletion, its topic, and the last id of it.
        case removal(String)
        case ended(TopicEnd)
    }

    private let calls = Mutex(0)
    private let state = Mutex<(events: [Event], batches: [CommittedBatch])>(([], []))

    var events: [Event] { self.state.withLock { $0.events } }
    var batches: [CommittedBatch] { self.state.withLock { $0.batches } }
    var messages: [Message] { self.batches.flatMap(\.messages) }
    var removals: [String] {
        self.events.compactMap { event in
            guard case .removal(let text) = event else { return nil }
            return text
        }
    }

    func listen(to log: any MessageLog) {
        log.announce { announcement in
            self.state.withLock { state in
                switch announcement {
                case .committed(let batch):
                    state.batches.append(batch)
                    state.events.append(.batch(batch.messages.map(\.id)))
                case .purged(let topic, let id):
                    state.events.append(.removal("purged \(topic) \(id)"))
                case .deleted(let topic, let id):
                    state.events.append(.removal("deleted \(topic) \(id)"))
                case .ended(let end): state.events.append(.ended(end.withoutTime))
                }
            }
        }
    }

    /// Makes one call at a time, so that their order is known.
    func nextCall(_ make: (_ call: Int) -> Void) {
        self.calls.withLock { call in
            make(call)
            call += 1
        }
    }

    func answered(_ call: Int, _ results: [AppendResult]) {
        self.state.withLock { $0.events.append(.results(call, results)) }
    }
}

/// A SQLite log in a folder of its own that can be closed, changed and opened again.
final class LogFolder {
    let folder: TemporaryFolder
    let limits: Limits

    init(_ limits: Limits = Limits()) throws {
        self.folder = try TemporaryFolder()
        self.limits = limits
    }

    var databasePath: String { self.folder.path + "/tickertape.db" }

    func open() throws -> SQLiteLog {
        try SQLiteLog(
            dataDirectory: self.folder.path,
            limits: self.limits,
            logger: quietLogger
        )
    }

    /// Opens it, closes it when `work` is done, and lets go of it.
    func withLog<Value>(_ work: (SQLiteLog) async throws -> Value) async throws -> Value {
        let log = try self.open()
        defer { log.close() }
        return try await work(log)
    }

    /// A number from the file while no broker has it.
    func number(_ sql: String) throws -> Int? {
        let queue = try DatabaseQueue(path: self.databasePath)
        defer { try? queue.close() }
        return try queue.inDatabase { try Int.fetchOne($0, sql: sql) }
    }

    /// Runs SQL in the file while no broker has it, as a tool of the operator would.
    func change(_ sql: String) throws {
        let queue = try DatabaseQueue(path: self.databasePath)
        try queue.inDatabase { try $0.execute(sql: sql) }
        try queue.close()
    }
}

/// What the fifth step of the schema did is undone, for logs of older ones.
let undoTopicBlocks = """
    DROP INDEX messages_by_part; DROP TABLE topic_blocks; DROP TABLE block_parts;
    CREATE INDEX messages_by_topic ON messages (topic_id, id);
    """
