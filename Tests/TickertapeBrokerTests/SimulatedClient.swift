import NIOCore
import TickertapeCore
import TickertapeTestSupport
import TickertapeWire

@testable import TickertapeBroker

/// One subscriber who comes back with the last id it has seen, over a network that loses
/// connections but no order.
final class SimulatedClient {
    let filter: TopicFilter
    let start: StartPosition
    let coalesces: Bool
    let fanout: LoopFanout
    private(set) var connection: SimulatedConnection?
    /// Where it would resume.
    private(set) var lastID: Int64?
    private(set) var messageCount = 0
    private(set) var connectionCount = 0

    init(
        _ filter: TopicFilter,
        from start: StartPosition,
        coalesces: Bool,
        on fanout: LoopFanout
    ) {
        self.filter = filter
        self.start = start
        self.coalesces = coalesces
        self.fanout = fanout
    }

    /// Where its next connection starts.
    var next: StartPosition { self.lastID.map { .after($0) } ?? self.start }

    func connect(_ framing: StreamFraming, room: Int, _ ledger: DeliveryLedger) {
        precondition(self.connection == nil, "one connection at a time")
        let start = self.next
        let checker = StreamChecker(
            self.filter,
            from: start,
            coalesces: self.coalesces,
            ledger.history
        )
        let connection = SimulatedConnection(framing, room: room, checker, ledger, on: self.fanout)
        self.connection = connection
        self.connectionCount += 1
        connection.open(self.filter, start, coalesces: self.coalesces)
    }

    /// Takes bytes from the network.
    ///
    /// - Returns: What is wrong with them, if something is.
    func receive(_ count: Int) -> String? {
        guard let connection = self.connection else { return nil }
        let wrong = connection.receive(count)
        self.note(connection)
        return wrong
    }

    /// Loses the connection after so many bytes more; what was under way is lost with it.
    func lose(after count: Int) -> String? {
        guard let connection = self.connection else { return nil }
        let wrong = connection.lose(after: count)
        self.note(connection)
        self.messageCount += connection.checker.messageCount
        self.connection = nil
        return wrong
    }

    private func note(_ connection: SimulatedConnection) {
        if let id = connection.checker.lastID { self.lastID = id }
    }
}

/// The server's side of a connection and the bytes on their way.
final class SimulatedConnection: SubscriptionTransport {
    let framing: StreamFraming
    private let fanout: LoopFanout
    /// Bytes under way from which the socket counts as full.
    private let room: Int
    private(set) var checker: StreamChecker
    private(set) var subscription: Subscription?
    private(set) var isFull = false
    private(set) var isEnded = false
    private let ledger: DeliveryLedger
    private var ledgerParser = EventStreamParser()
    private var filter: TopicFilter?
    /// What it follows, and how often each has ended or was deleted before.
    private var topics: [TopicName]?
    private var endingsBefore: [TopicName: Int] = [:]
    /// What it must have had when everything has arrived, now that it has ended.
    private var endID: Int64?
    /// Writes begun while the socket was full, since it last had room.
    private var writesWhileFull = 0
    private var wrong: String?
    private var parser = EventStreamParser()
    private var underWay: [UInt8] = []
    private(set) var bytesWritten = 0
    /// What the kernel of the other side has for the client, at most.
    var underWayCount: Int { self.underWay.count }

    init(
        _ framing: StreamFraming,
        room: Int,
        _ checker: StreamChecker,
        _ ledger: DeliveryLedger,
        on fanout: LoopFanout
    ) {
        self.framing = framing
        self.room = room
        self.checker = checker
        self.ledger = ledger
        self.fanout = fanout
    }

    func open(_ filter: TopicFilter, _ start: StartPosition, coalesces: Bool) {
        self.filter = filter
        self.topics = filter.exactTopics
        // An end that was not announced yet is told to those who come.
        if self.fanout.end(of: filter) == nil {
            self.endingsBefore = self.ledger.history.endings
        }
        self.subscription = self.fanout.subscribe(
            to: filter,
            from: start,
            tellsCaughtUp: false,
            coalesces: coalesces,
            transport: self
        )
    }

    func write(_ frames: ByteBuffer) -> Bool {
        if self.isEnded { self.wrong = self.wrong ?? "written after its end" }
        if frames.readableBytes == 0 { self.wrong = self.wrong ?? "an empty write" }
        if self.isFull { self.writesWhileFull += 1 }
        // A page under way may come to a socket that is full already.
        if self.writesWhileFull > 1 { self.wrong = self.wrong ?? "written to a full socket" }
        var bytes = Array(frames.readableBytesView)
        if self.framing == .chunked {
            let content = try? dechunked(bytes)
            if content?.isEnded ?? true { self.wrong = self.wrong ?? "broken chunks" }
            bytes = content?.content ?? []
        }
        self.underWay += bytes
        if let filter = self.filter {
            self.ledger.note(self.ledgerParser.feed(bytes), joining: filter)
        }
        self.bytesWritten += bytes.count
        if self.underWay.count > self.room { self.isFull = true }
        return self.isFull
    }

    var format: WireFormat { .eventStream(self.framing) }

    func opening(head: Int64, cursor: Int64?) -> ByteBuffer {
        eventStreamOpening(cursor: cursor)
    }

    func end(_ reason: SubscriptionEnd) {
        if self.isEnded { self.wrong = self.wrong ?? "ended twice" }
        self.isEnded = true
        switch reason {
        case .logUnavailable: break
        case .ended(let end):
            self.wrong = self.wrong ?? self.objection(to: end)
            if end.reason != .deleted { self.endID = end.lastID }
        case .draining, .disconnected: self.wrong = self.wrong ?? "ended for \(reason)"
        }
        self.closeSubscription()
    }

    /// An end is told to those whose topics have all ended, the last one since they came.
    private func objection(to end: TopicEnd) -> String? {
        guard let topics = self.topics, topics.contains(end.topic) else {
            return "ended for \(end.topic), which is not all it follows"
        }
        let endings = self.ledger.history.endings
        let isDue =
            topics.allSatisfy { endings[$0] != nil }
            && topics.contains { endings[$0] != self.endingsBefore[$0] }
        return isDue ? nil : "ended for \(end.topic), though nothing has ended"
    }

    func receive(_ count: Int) -> String? {
        for item in self.parser.feed(self.underWay.prefix(count)) {
            self.wrong = self.wrong ?? self.checker.take(item)
        }
        self.underWay.removeFirst(min(count, self.underWay.count))
        if self.underWay.isEmpty, let end = self.endID {
            self.wrong = self.wrong ?? self.checker.missing(through: end)
        }
        if self.isFull, self.underWay.count <= self.room / 2, let subscription = self.subscription {
            self.isFull = false
            self.writesWhileFull = 0
            self.fanout.socketDrained(subscription)
        }
        return self.wrong.map { self.explained($0) }
    }

    func lose(after count: Int) -> String? {
        self.closeSubscription()
        return self.receive(count)
    }

    /// What is missing once everything has come to rest.
    func missing() -> String? {
        (self.wrong ?? self.checker.missing()).map { self.explained($0) }
    }

    private func explained(_ wrong: String) -> String {
        let cursor = self.subscription?.machine.cursor.map { "\($0)" } ?? "nowhere"
        let state = self.subscription?.isLive ?? false ? "live" : "behind"
        return """
            \(wrong) (\(self.checker.summary); the subscription is \(state) at \(cursor), \
            its socket \(self.isFull ? "full" : "free"))
            """
    }

    private func closeSubscription() {
        guard let subscription = self.subscription else { return }
        self.subscription = nil
        self.fanout.close(subscription)
    }
}
