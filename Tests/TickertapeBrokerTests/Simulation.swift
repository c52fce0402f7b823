import NIOCore
import NIOEmbedded
import Testing
import TickertapeBroker
import TickertapeCore
import TickertapeLog
import TickertapeTestSupport
import TickertapeWire

/// What a simulation may do besides publishing and following.
struct Hardships: Sendable, CustomTestStringConvertible {
    var name: String
    var loopCount = 1
    /// Connections break, and clients come back.
    var losesConnections = false
    /// Messages are removed under the subscribers.
    var removesMessages = false
    /// Operators purge and delete topics, which publishes bring back.
    var deletesTopics = false
    /// Topics end, with a message or without one, and are reopened.
    var endsTopics = false
    /// The log fails for a while.
    var logFails = false
    var testDescription: String { self.name }
}

/// A real broker on loops whose time stands still, a log that commits and reads when told to,
/// and clients with slow sockets: in random steps, every byte checked.
final class Simulation {
    let hardships: Hardships
    var random: SeededGenerator
    let log: SimulatedLog
    let loops: [EmbeddedEventLoop]
    let broker: Broker
    let history = CommittedHistory()
    let ledger: DeliveryLedger
    var clients: [SimulatedClient] = []
    var waiters: [SimulatedWaiter] = []
    private(set) var publishers: [SimulatedPublisher] = []
    /// What went wrong first.
    private(set) var wrong: String?
    private var isFailing = false
    /// Few, so that many clients share an audience.
    private var filters: [TopicFilter] = []
    private var draftCount = 0
    /// From now on everybody asks first whether there is something to come.
    private var isSettling = false

    static let topics = ["a", "b", "a/b", "a/c", "b/c", "a/b/c", "é", "e\u{301}"]
    static let patterns = ["*", "**", "a/*", "a/**", "*/c", "é"]

    init(_ hardships: Hardships, _ seed: Seed) {
        self.hardships = hardships
        self.ledger = DeliveryLedger(self.history)
        var random = seed.generator
        var limits = Limits()
        limits.recentBytesMax = random.int(1...6_000)
        limits.writeBytesMax = random.int(1...2_000)
        limits.pageMessagesMax = random.int(1...8)
        limits.pageBytesMax = random.int(1...2_000)
        limits.coalescedBytesMax = random.int(1...300)
        limits.coalescedMessagesMax = random.int(1...20)
        limits.sliceSubscribersMax = random.int(1...9)
        limits.sliceMicrosecondsMax = 0
        limits.submissionMessagesMax = random.int(1...4)
        limits.heartbeatSeconds = 1.5
        self.log = SimulatedLog(.stepwise, queueMessagesMax: 30, examinedMax: random.int(1...20))
        self.loops = (0..<hardships.loopCount).map { _ in EmbeddedEventLoop() }
        self.broker = Broker(log: self.log, eventLoops: self.loops, limits: limits)
        self.random = random
        self.publishers = self.loops.map {
            SimulatedPublisher(self.broker.fanout(on: $0), self.history)
        }
    }

    func check(_ wrong: String?) {
        guard let wrong, self.wrong == nil else { return }
        self.wrong = wrong
    }

    /// Does something, at random.
    func step() {
        if self.hardships.endsTopics, self.random.oneIn(25) { return self.endOrReopen() }
        switch self.random.int(0...99) {
        case 0..<22: self.publish()
        case 22..<32: self.commit()
        case 32..<44: _ = self.log.tellNext()
        case 44..<54:
            _ = self.log.answerRead(at: self.random.int(0...max(0, self.log.readCount - 1)))
        case 54..<66: self.random.pick(self.loops).run()
        case 66..<74: self.advance()
        case 74..<90: self.receive()
        case 90..<93: self.join()
        case 93: self.addWaiter()
        case 94: self.leave()
        case 95 where self.hardships.deletesTopics && self.random.oneIn(2): self.deleteOrPurge()
        case 95: self.stopWaiting()
        case 96..<98 where self.hardships.losesConnections: self.loseConnection()
        case 98 where self.hardships.removesMessages: self.remove()
        case 99 where self.hardships.logFails: self.failOrRecover()
        default: self.reconnect()
        }
    }

    private func publish() {
        // Each is known by its data, so that joined ones can be told apart.
        self.draftCount += 1
        var data = "<\(self.draftCount)>" + String(repeating: "x", count: self.random.int(0...60))
        if self.random.oneIn(10) { data += "\n\n" + String(repeating: "y", count: 2_500) }
        let draft = try? Draft(
            topic: TopicName(self.random.pick(Self.topics)),
            event: self.random.oneIn(3) ? "trade" : nil,
            data: data,
            end: self.hardships.endsTopics && self.random.oneIn(12) ? .withMessage : .none
        )
        guard let draft else { return }
        self.random.pick(self.publishers).publish(draft, again: self.random.oneIn(8))
    }

    private func commit() {
        guard !self.log.hasUnannounced else { return }
        let before = self.log.head
        self.log.commit(self.random.int(1...5))
        for message in self.log.messages where message.id > before { self.history.append(message) }
        self.noteEnds()
    }

    private func noteEnds() {
        guard self.hardships.endsTopics else { return }
        for text in Self.topics {
            guard let topic = try? TopicName(text),
                let end = self.log.end(of: TopicFilter(topic: topic))?.last, end.reason != .deleted
            else { continue }
            self.history.note(end)
        }
    }

    private func endOrReopen() {
        // One transaction after the other.
        guard !self.log.hasUnannounced, let topic = try? TopicName(self.random.pick(Self.topics))
        else { return }
        if self.log.reopen(topic) == true { return }
        guard self.random.oneIn(3) else { return }
        _ = self.log.end(topic, self.random.pick([.ended, .stopped]))
        self.noteEnds()
    }

    private func advance() {
        let times: [TimeAmount] = [
            .microseconds(2), .microseconds(2), .milliseconds(1), .milliseconds(100), .seconds(2),
        ]
        self.random.pick(self.loops).advanceTime(by: self.random.pick(times))
    }

    private func receive() {
        guard !self.clients.isEmpty else { return }
        let count = self.random.oneIn(2) ? Int.max : self.random.int(0...400)
        self.check(self.random.pick(self.clients).receive(count))
    }

    private func anyFilter() -> TopicFilter {
        if self.filters.count > 2, !self.random.oneIn(6) { return self.random.pick(self.filters) }
        let texts = (0..<self.random.int(1...3)).map { _ in
            self.random.pick(self.random.oneIn(2) ? Self.topics : Self.patterns)
        }
        let filter = TopicFilter(texts.compactMap { try? TopicPattern($0) })
        self.filters.append(filter)
        return filter
    }

    private func anyStart() -> StartPosition {
        let head = Int(self.history.head)
        switch self.random.int(0...19) {
        case 0: return .unknown
        case 1: return .after(Int64(head + self.random.int(1...9)))
        // What is counted from the end is not known exactly when something was removed.
        case 2..<6 where !self.hardships.removesMessages && !self.hardships.deletesTopics:
            return .tail(self.random.int(0...4))
        case 6..<12: return .live
        default: return .after(Int64(self.random.int(0...head)))
        }
    }

    private func join() {
        guard self.clients.count < 25 else { return }
        let fanout = self.broker.fanout(on: self.random.pick(self.loops))
        let client = SimulatedClient(
            self.anyFilter(),
            from: self.anyStart(),
            coalesces: self.random.oneIn(3),
            on: fanout
        )
        self.clients.append(client)
        self.connect(client)
    }

    func connect(_ client: SimulatedClient) {
        let room = self.random.oneIn(2) ? 1_000_000 : self.random.int(20...3_000)
        // Who asks first is answered 204; who does not may still come between.
        if self.isSettling || self.random.oneIn(2),
            let end = client.fanout.end(of: client.filter), end.leavesNothing(after: client.next)
        {
            return
        }
        client.connect(self.random.oneIn(2) ? .chunked : .plain, room: room, self.ledger)
    }

    private func reconnect() {
        for client in self.clients {
            if client.connection?.isEnded ?? false { self.check(client.lose(after: .max)) }
            if client.connection == nil, !self.isFailing { self.connect(client) }
        }
    }

    private func loseConnection() {
        guard !self.clients.isEmpty else { return }
        self.check(self.random.pick(self.clients).lose(after: self.random.int(0...500)))
    }

    private func leave() {
        guard !self.clients.isEmpty, self.random.oneIn(3) else { return }
        let index = self.random.int(0...self.clients.count - 1)
        self.check(self.clients[index].lose(after: .max))
        self.clients.remove(at: index)
    }

    private func addWaiter() {
        let fanout = self.broker.fanout(on: self.random.pick(self.loops))
        self.waiters.append(SimulatedWaiter(self.anyFilter(), on: fanout))
    }

    private func stopWaiting() {
        guard !self.waiters.isEmpty, self.random.oneIn(2) else { return }
        self.waiters.remove(at: self.random.int(0...self.waiters.count - 1)).stop()
    }

    private func remove() {
        let last = Int(self.history.head)
        guard last > 0, self.random.oneIn(2) else { return }
        let from = Int64(self.random.int(1...last))
        let range = from...from + Int64(self.random.int(0...20))
        let topics = Set(Self.topics.filter { _ in self.random.oneIn(2) })
        self.log.remove { message in
            guard range.contains(message.id), topics.contains(message.topic.text) else {
                return false
            }
            self.history.remove(message.id)
            return true
        }
    }

    private func deleteOrPurge() {
        // One transaction after the other.
        guard !self.log.hasUnannounced, let topic = try? TopicName(self.random.pick(Self.topics))
        else { return }
        if self.random.oneIn(2) {
            if self.log.delete(topic) { self.history.delete(topic) }
        } else {
            let id = Int64(self.random.int(0...Int(self.history.head)))
            if self.log.purge(topic, through: id) { self.history.remove(topic, through: id) }
        }
    }

    private func failOrRecover() {
        self.isFailing.toggle()
        self.log.setFailing(self.isFailing)
    }

    /// Lets everything that is under way arrive.
    func settle() {
        self.isFailing = false
        self.isSettling = true
        self.log.setFailing(false)
        for _ in 0..<3_000 {
            // What failed before may still end a stream now.
            self.reconnect()
            let waiting = self.log.submissionCount + self.log.readCount
            self.commit()
            while self.log.tellNext() {}
            while self.log.answerRead(at: 0) {}
            // Long enough for every slice that is due, one after the other.
            for loop in self.loops { loop.advanceTime(by: .milliseconds(1)) }
            var received = 0
            for client in self.clients {
                received += client.connection?.underWayCount ?? 0
                self.check(client.receive(.max))
            }
            let left = self.log.submissionCount + self.log.readCount
            if waiting + received + left == 0, !self.log.hasUnannounced { return }
        }
        self.check("nothing comes to rest")
    }
}
