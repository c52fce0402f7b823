import GRDB

/// What works on a connection, made by the thread that opens the log for the thread that is its
/// own: what fails is found at the start.
///
/// Safety: `use` is called once; nothing else touches what was made.
final class Handover<Worker>: @unchecked Sendable {
    private let queue: DatabaseQueue
    private var worker: Worker?

    init(_ queue: DatabaseQueue, make: (Database) throws -> Worker) throws {
        self.queue = queue
        self.worker = try queue.inDatabase(make)
    }

    /// Lets it work, and then closes its connection.
    func use(_ work: (Worker) -> Void) {
        self.queue.inDatabase { _ in
            guard let worker = self.worker.take() else {
                preconditionFailure("a worker is handed over once")
            }
            work(worker)
        }
        try? self.queue.close()
    }
}
