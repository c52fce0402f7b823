import Foundation
import GRDB
package import Logging
import Synchronization
package import TickertapeCore

/// The embedded log: one SQLite file in WAL mode.
///
/// In flow drafts through a bounded queue to one writer thread, which puts everything that
/// waits into one transaction, syncs it, and announces the batch and then the results. Out flow
/// pages, read by a few threads with connections of their own: readers never block the writer,
/// and no transaction outlives a page. The connections belong to their threads and are closed
/// by them.
package final class SQLiteLog: MessageLog {
    /// Counted when the log was opened.
    package let messageCountAtStart: Int
    /// Absolute.
    package var dataDirectoryPath: String { self.directory.path }

    let directory: DataDirectory
    let shared: LogShared
    private let readers = ReaderPool()
    private let writerEnded = DispatchSemaphore(value: 0)
    private let isClosed = Atomic<Bool>(false)

    /// Opens the log in a data directory, making both if they do not exist.
    ///
    /// - Throws: A `DataDirectoryError` in words for the operator, or what the database reports.
    package init(dataDirectory: String, limits: Limits, logger: Logger) throws {
        self.directory = try DataDirectory(path: dataDirectory)
        try DatabaseFile.prepare(in: self.directory, logger)
        let writerQueue = try DatabaseFile.openWriter(self.directory.databasePath)
        let (shared, topics) = try writerQueue.inDatabase { database in
            try Self.load(database, limits: limits)
        }
        self.shared = shared
        self.messageCountAtStart = Int(shared.catalog.totals.messages)
        // Everything that may fail is done before the first thread starts.
        let checkpointer = Checkpointer(
            try DatabaseFile.openWriter(self.directory.databasePath)
        )
        let writer = try Handover(writerQueue) { database in
            try LogWriter(
                database,
                shared: shared,
                topics: topics,
                checkpointer: checkpointer,
                limits: limits,
                logger: logger
            )
        }
        let path = self.directory.databasePath
        let readers = try (0..<limits.readerCount).map { _ in
            try Handover(try DatabaseFile.openReader(path)) { database in
                try PageReader(database, shared: shared, limits: limits)
            }
        }
        checkpointer.start()
        self.start(writer, checkpointer)
        for (index, reader) in readers.enumerated() {
            self.readers.start(number: index + 1, reader)
        }
    }

    package var head: Int64 { self.shared.head.load(ordering: .acquiring) }
    package var isWritable: Bool { self.shared.isWritable.load(ordering: .relaxed) }

    package func end(of filter: TopicFilter) -> FilterEnd? {
        self.shared.catalog.end(of: filter)
    }

    package func announce(to observer: @escaping @Sendable (Announcement) -> Void) {
        self.shared.announce(to: observer)
    }

    package func admit(_ draft: Draft, asksAgain: Bool) -> Bool {
        let isAdmitted = self.shared.queue.admit(bytes: draft.bytes)
        if !isAdmitted && !asksAgain { self.shared.counters.withLock { $0.refusals += 1 } }
        return isAdmitted
    }

    package func admit(_ drafts: [Draft]) -> Bool {
        let bytes = drafts.reduce(0) { $0 + $1.bytes }
        let isAdmitted = self.shared.queue.admit(messages: drafts.count, bytes: bytes)
        if !isAdmitted { self.shared.counters.withLock { $0.refusals += 1 } }
        return isAdmitted
    }

    package func append(
        _ drafts: [Draft],
        atomic: Bool,
        completion: @escaping @Sendable ([AppendResult]) -> Void
    ) {
        precondition(!drafts.isEmpty, "a submission has at least one draft")
        let bytes = drafts.reduce(0) { $0 + $1.bytes }
        let submission = WriteQueue.Submission(
            drafts: drafts,
            isAtomic: atomic,
            bytes: bytes,
            handedOver: .now,
            completion: completion
        )
        guard !self.shared.queue.append(submission) else { return }
        self.shared.queue.release(messages: drafts.count, bytes: bytes)
        submission.fail(.closed)
    }

    package func readPage(
        _ request: PageRequest,
        for ticket: ReadTicket,
        completion: @escaping @Sendable (Result<Page, LogError>) -> Void
    ) {
        self.read(for: ticket, completion) { reader throws(SQLiteFailure) in
            try reader.readPage(request)
        }
    }

    package func findTail(
        of filter: TopicFilter,
        count: Int,
        upTo head: Int64,
        for ticket: ReadTicket,
        completion: @escaping @Sendable (Result<TailStart, LogError>) -> Void
    ) {
        self.read(for: ticket, completion) { reader throws(SQLiteFailure) in
            try reader.findTail(of: filter, count: count, upTo: head, for: ticket)
        }
    }

    package func readMessage(
        id: Int64,
        completion: @escaping @Sendable (Result<Message?, LogError>) -> Void
    ) {
        self.read(for: ReadTicket(), completion) { reader throws(SQLiteFailure) in
            try reader.readMessage(id: id)
        }
    }

    package func close() {
        guard !self.isClosed.exchange(true, ordering: .relaxed) else { return }
        self.readers.close()
        self.shared.queue.close()
        self.writerEnded.wait()
    }

    func read<Value: Sendable>(
        for ticket: ReadTicket,
        _ completion: @escaping @Sendable (Result<Value, LogError>) -> Void,
        _ work: @escaping @Sendable (PageReader) throws(SQLiteFailure) -> Value
    ) {
        self.readers.submit { reader in
            guard let reader, ticket.isWanted else {
                completion(.failure(.closed))
                return
            }
            do throws(SQLiteFailure) {
                let value = try work(reader)
                // Who left meanwhile may have cut it short.
                completion(ticket.isWanted ? .success(value) : .failure(.closed))
            } catch {
                completion(.failure(error.logError))
            }
        }
    }

    private static func load(
        _ database: Database,
        limits: Limits
    ) throws -> (LogShared, topics: [TopicStart]) {
        // The counter outlives the rows: an id is not reused when the last message was removed.
        let counter = try Int64.fetchOne(
            database,
            sql: "SELECT seq FROM sqlite_sequence WHERE name = 'messages'"
        )
        let largest = try Int64.fetchOne(database, sql: "SELECT max(id) FROM messages")
        let removed = try Int64.fetchOne(
            database,
            sql: "SELECT max(removed_through) FROM topics"
        )
        let shared = LogShared(
            head: max(counter ?? 0, largest ?? 0, removed ?? 0),
            policies: try PolicyTable.load(database),
            tokens: try TokenTable.load(database, atMilliseconds: wallClockMilliseconds()),
            limits: limits
        )
        let topics = try TopicStart.load(database)
        for topic in topics {
            shared.catalog.add(
                topic.name,
                number: topic.number,
                lastID: topic.lastID,
                messages: topic.messages,
                bytes: topic.bytes,
                end: topic.end
            )
        }
        return (shared, topics)
    }

    private func start(_ writer: Handover<LogWriter>, _ checkpointer: Checkpointer) {
        let ended = self.writerEnded
        let thread = Thread {
            writer.use { writer in
                writer.run()
                checkpointer.close()
                writer.checkpoint()
            }
            ended.signal()
        }
        thread.name = "tt-writer"
        thread.start()
    }
}
