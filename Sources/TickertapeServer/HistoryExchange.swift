import NIOCore
import TickertapeAccess
import TickertapeBroker
import TickertapeCore
import TickertapeLog
import TickertapeWire

/// One request for a page of history, which may wait for its first message.
///
/// Confined to its event loop. The connection holds everything else until it is answered.
final class HistoryExchange {
    private let query: HistoryQuery
    private let access: Access?
    private let server: LoopServer
    private weak var connection: ConnectionHandler?
    private var cursor: Int64
    private var gaps = GapTeller()
    private var gap: Gap?
    private var isReading = false
    /// Of the page that is read, and then not taken yet; what it may have, not what it has.
    private var heldBytes = 0
    private var answer: ((Result<Answered, Problem>) -> Void)?
    private var waiter: HistoryWaiter?
    private var timer: Scheduled<Void>?
    private let ticket = ReadTicket()

    init(_ query: HistoryQuery, _ access: Access?, _ connection: ConnectionHandler) {
        self.query = query
        self.access = access
        self.connection = connection
        self.server = connection.server
        self.cursor = 0
    }

    func start(_ answer: @escaping (Result<Answered, Problem>) -> Void) {
        self.answer = answer
        self.server.watch(self.access, for: self)
        let head = self.server.fanout.head
        switch self.query.after {
        case .after(let cursor) where cursor <= head:
            self.cursor = cursor
        case .after, .unknown, .live, .tail:
            // The cursor cannot be used: say so at once, and go on from the head.
            let gap = self.query.after.gap(head: head)
            self.finish(next: gap.cursor, gap: gap)
            return
        }
        self.read()
    }

    private func read() {
        self.isReading = true
        self.connection?.waiting = self
        // Registered before the read: what comes meanwhile is not missed.
        if self.query.waitSeconds > 0 && self.waiter == nil { self.register() }
        self.heldBytes = self.server.holdHistory()
        let request = PageRequest(
            filter: self.query.filter,
            after: self.cursor,
            messagesMax: self.query.limit,
            bytesMax: self.heldBytes
        )
        let (cursor, gaps) = (self.cursor, self.gaps)
        let (fanout, filter) = (self.server.fanout, self.query.filter)
        fanout.readPage(request, for: self.ticket) { page in
            HistoryPage(page, after: cursor, gaps: gaps, end: fanout.end(of: filter))
        } then: { result in
            self.take(result)
        }
    }

    private func register() {
        let waiter = HistoryWaiter { [weak self] in
            guard let self else { return }
            self.waiter = nil
            if !self.isReading { self.read() }
        }
        self.waiter = waiter
        self.server.fanout.wait(for: self.query.filter, waiter: waiter)
    }

    private func take(_ result: Result<HistoryPage, LogError>) {
        self.isReading = false
        guard self.answer != nil else {
            self.letGo()
            return
        }
        let page: HistoryPage
        switch result {
        case .failure(let error):
            self.finish(.failure(Problem(error, self.server)))
            return
        case .success(let read): page = read
        }
        self.gaps = page.gaps
        self.gap = page.gap
        if let body = page.body {
            self.finish(.success(.json(body)))
            return
        }
        self.letGo()
        self.cursor = page.through
        guard self.end(reachedBy: page.through) == nil else {
            self.finish(next: page.through, gap: self.gap)
            return
        }
        if page.through < page.head {
            // Only rows that the filter does not select so far.
            self.read()
            return
        }
        guard self.query.waitSeconds > 0, self.gap == nil, !self.server.isDraining else {
            self.finish(next: page.through, gap: self.gap)
            return
        }
        self.startTimer()
        // Woken while it read: there is something now.
        if self.waiter == nil { self.read() }
    }

    private func startTimer() {
        guard self.timer == nil else { return }
        let nanoseconds = Int64(self.query.waitSeconds * 1_000_000_000)
        self.timer = self.server.fanout.eventLoop.assumeIsolated().scheduleTask(
            in: .nanoseconds(nanoseconds)
        ) { self.finish(next: self.cursor, gap: nil) }
    }

    /// The connection is gone, or the broker stops: what is read just now is still answered.
    func cancel() {
        if let connection = self.connection, connection.phase != .closed, self.isReading { return }
        self.finish(next: self.cursor, gap: self.gap)
    }

    /// Answers with a page that has no message.
    private func finish(next: Int64, gap: Gap?) {
        var body = ByteBufferAllocator().buffer(capacity: 96)
        body.writeJSON(history: [], next: next, gap: gap, end: self.end(reachedBy: next))
        self.finish(.success(.json(body)))
    }

    /// How the filter has ended, for who has everything.
    private func end(reachedBy cursor: Int64) -> TopicEnd? {
        self.server.fanout.end(of: self.query.filter)?.reached(by: cursor)
    }

    private func letGo() {
        self.server.letGoHistory(self.heldBytes)
        self.heldBytes = 0
    }

    private func finish(_ result: Result<Answered, Problem>) {
        guard let answer = self.answer else { return }
        self.answer = nil
        self.ticket.giveBack()
        self.timer?.cancel()
        self.server.stopWatching(for: self)
        if let waiter = self.waiter {
            self.waiter = nil
            self.server.fanout.stopWaiting(for: self.query.filter, waiter: waiter)
        }
        self.connection?.waiting = nil
        if !self.isReading, let connection = self.connection, case .success = result {
            connection.historyBytes += self.heldBytes
            self.heldBytes = 0
        } else if !self.isReading {
            self.letGo()
        }
        answer(result)
        self.connection?.letGoHistory()
    }
}

/// What waits for a message does not outlive what it was granted.
extension HistoryExchange: AccessHolder {
    func accessExpires(inSeconds seconds: Int) {}

    func accessEnded(_ end: AccessEnd) {
        self.finish(.failure(Problem(end)))
    }
}

/// A page of history as it is answered, encoded on the thread that read it.
private struct HistoryPage: Sendable {
    /// Nothing when it has no message.
    let body: ByteBuffer?
    let through: Int64
    let head: Int64
    let gap: Gap?
    let gaps: GapTeller

    /// `end` is how the filter had ended once the page was read.
    init(_ page: Page, after cursor: Int64, gaps: GapTeller, end: FilterEnd?) {
        var gaps = gaps
        self.gap = gaps.gap(before: page, after: cursor)
        self.gaps = gaps
        self.through = page.through
        self.head = page.head
        guard !page.messages.isEmpty else {
            self.body = nil
            return
        }
        var body = ByteBufferAllocator().buffer(
            capacity: 64 + page.messages.reduce(0) { $0 + $1.bytes + 96 }
        )
        body.writeJSON(
            history: page.messages,
            next: page.through,
            gap: self.gap,
            end: end?.reached(by: page.through)
        )
        self.body = body
    }
}
