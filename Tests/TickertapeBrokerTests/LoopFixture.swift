import NIOCore
import NIOEmbedded
import TickertapeCore
import TickertapeLog
import TickertapeTestSupport
import TickertapeWire

@testable import TickertapeBroker

/// One loop of a broker over a simulated log, for tests of single steps.
final class LoopFixture {
    let log: SimulatedLog
    let loop = EmbeddedEventLoop()
    let fanout: LoopFanout
    private let broker: Broker

    /// A page looks at `examinedMax` rows of the log.
    init(_ limits: Limits = Limits(), examinedMax: Int = 1_000) {
        self.log = SimulatedLog(.stepwise, examinedMax: examinedMax)
        self.broker = Broker(log: self.log, eventLoops: [self.loop], limits: limits)
        self.fanout = self.broker.fanout(on: self.loop)
    }

    /// Commits a batch by another way than this loop, visible and not yet announced.
    func commit(_ messages: (topic: String, data: String)...) throws {
        for message in messages {
            let draft = Draft(topic: try TopicName(message.topic), data: message.data)
            precondition(self.log.admit(draft), "there is room")
            self.log.append([draft]) { _ in }
        }
        self.log.commit(.max)
    }

    /// Commits a batch and announces it.
    func announce(_ messages: (topic: String, data: String)...) throws {
        for message in messages {
            let draft = Draft(topic: try TopicName(message.topic), data: message.data)
            precondition(self.log.admit(draft), "there is room")
            self.log.append([draft]) { _ in }
        }
        self.log.commitAndAnnounce()
    }

    /// Commits messages of one topic, which ends with the last of them, and announces that.
    func announceLast(_ topic: String, _ data: String...) throws {
        for (index, text) in data.enumerated() {
            let draft = Draft(
                topic: try TopicName(topic),
                data: text,
                end: index == data.count - 1 ? .withMessage : .none
            )
            precondition(self.log.admit(draft), "there is room")
            self.log.append([draft]) { _ in }
        }
        self.log.commitAndAnnounce()
    }

    /// Ends a topic without a message, and announces it.
    func end(_ topic: String, _ reason: TopicEnd.Reason = .ended) throws {
        let draft = Draft.end(try TopicName(topic), reason: reason)
        precondition(self.log.admit(draft), "there is room")
        self.log.append([draft]) { _ in }
        self.log.commitAndAnnounce()
    }

    /// Deletes a topic, and announces it.
    func delete(_ topic: String) throws {
        let name = try TopicName(topic)
        precondition(self.log.delete(name), "there is such a topic")
        self.tell()
    }

    /// Announces everything that was not.
    func tell() {
        while self.log.tellNext() {}
    }

    /// Lets the loop do what it was told so far, and no slice.
    func turn() {
        self.loop.run()
    }

    func runSlice() {
        self.loop.advanceTime(by: .microseconds(2))
    }

    /// Lets the loop do everything that is due.
    func run() {
        self.loop.advanceTime(by: .milliseconds(1))
    }

    /// Answers every page that is asked for, and lets the loop go on.
    func runReading() {
        self.run()
        while self.log.answerRead(at: 0) { self.run() }
    }

    func subscribe(
        _ transport: RecordingTransport,
        to patterns: String...,
        from start: StartPosition
    ) throws -> Subscription {
        let filter = TopicFilter(try patterns.map { try TopicPattern($0) })
        return self.fanout.subscribe(
            to: filter,
            from: start,
            tellsCaughtUp: transport.tellsCaughtUp,
            coalesces: transport.coalesces,
            transport: transport
        )
    }

    /// As many turns of the heartbeat wheel as one interval has.
    func passHeartbeatInterval() {
        for _ in 0..<HeartbeatWheel.slots { self.fanout.beat() }
    }
}

/// What every stream begins with.
func opening(cursor: Int64? = nil) -> String {
    var buffer = ByteBuffer()
    EventStreamFrame.writeOpening(retryMilliseconds: 3_000, cursor: cursor, into: &buffer)
    return String(buffer: buffer)
}

extension Subscription {
    var isLive: Bool { self.liveIndex >= 0 }
    var cursor: Int64? { self.machine.cursor }
}

/// Who publishes and notes what it is told.
final class RecordingReply: PublishReply {
    enum Told: Equatable {
        case result(Int, AppendResult)
        case all
    }

    private(set) var told: [Told] = []
    private let then: () -> Void

    /// - Parameter then: Done when everything of a commit was told.
    init(then: @escaping () -> Void = {}) {
        self.then = then
    }

    func published(_ result: AppendResult, number: Int) {
        self.told.append(.result(number, result))
    }

    func publishedAll() {
        self.told.append(.all)
        self.then()
    }
}
