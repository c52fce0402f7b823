import NIOCore
import NIOEmbedded
import TickertapeCore
import TickertapeTestSupport

@testable import TickertapeServer

/// One connection with several subscriptions, a socket that is full most of the time, and a log
/// that commits and reads when told to: in random steps, every frame checked.
final class WebSocketWalk {
    private static let topics = ["a", "b", "c", "d"]

    private let fixture: WebSocketFixture
    private var random: SeededGenerator
    private var followers: [String: WebSocketFollower] = [:]
    private var nextNumber = 0
    /// The refs of publishes without an answer, in their order.
    private var unanswered: [Int] = []
    private var nextRef = 0
    private var lastPublished: Int64 = 0
    /// What went wrong first.
    private(set) var wrong: String?

    /// How often its socket was full.
    var fillCount: Int { self.fixture.socket.fillCount }

    private var log: SimulatedLog { self.fixture.connection.log }
    private var loop: EmbeddedEventLoop { self.fixture.connection.loop }

    init(_ seed: Seed) throws {
        var random = seed.generator
        var limits = Limits()
        limits.recentBytesMax = random.int(1...2_000)
        limits.writeBytesMax = random.int(1...1_000)
        limits.pageMessagesMax = random.int(1...6)
        limits.pageBytesMax = random.int(1...1_000)
        limits.sliceSubscribersMax = random.int(1...9)
        limits.sliceMicrosecondsMax = 0
        limits.unansweredPublishesMax = random.int(1...4)
        limits.commandsPerTurnMax = random.int(1...6)
        limits.heartbeatSeconds = 1.5
        self.fixture = try WebSocketFixture(limits)
        _ = try self.fixture.told()
        self.fixture.socket.room = random.int(1...500)
        self.fixture.socket.highWaterMark = random.int(0...400)
        self.random = random
    }

    /// Does something, at random.
    func step() throws {
        switch self.random.int(0...99) {
        case 0..<20: try self.publish()
        case 20..<30: self.log.commitAndAnnounce()
        case 30..<36:
            if !self.log.hasUnannounced { self.log.commit(1) }
        case 36..<40: _ = self.log.tellNext()
        case 40..<52:
            _ = self.log.answerRead(at: self.random.int(0...max(0, self.log.readCount - 1)))
        case 52..<58: self.loop.run()
        case 58..<66:
            let times: [TimeAmount] = [.microseconds(2), .milliseconds(1), .milliseconds(200)]
            self.loop.advanceTime(by: self.random.pick(times))
        case 66..<84:
            self.take(try self.fixture.read(self.random.oneIn(3) ? .max : self.random.int(0...90)))
        case 84..<92: try self.subscribe()
        case 92..<95: try self.unsubscribe()
        default: try self.publishByConnection()
        }
    }

    /// Lets everything come to rest, and says what is missing then.
    func settle() throws {
        var quietCount = 0
        for _ in 0..<2_000 where quietCount < 3 {
            self.log.commitAndAnnounce()
            while self.log.answerRead(at: 0) {}
            self.loop.advanceTime(by: .microseconds(200))
            let told = try self.fixture.told()
            self.take(told)
            let isQuiet = told.isEmpty && self.log.readCount + self.log.submissionCount == 0
            quietCount = isQuiet ? quietCount + 1 : 0
        }
        if quietCount < 3 { self.check("nothing comes to rest") }
        for follower in self.followers.values.sorted(by: { $0.name < $1.name }) {
            guard let missing = follower.missing(self.log.messages) else { continue }
            self.check("\(follower.command) \(missing)")
        }
        if !self.unanswered.isEmpty { self.check("no answer to \(self.unanswered)") }
        if !self.fixture.isRead { self.check("not read from") }
        if self.fixture.isClosed { self.check("closed") }
    }

    private func check(_ wrong: String) {
        self.wrong = self.wrong ?? wrong
    }

    // MARK: - What others do

    private func publish() throws {
        let data = String(repeating: "x", count: self.random.int(1...60))
        try self.fixture.connection.publish(self.random.pick(Self.topics), data)
    }

    // MARK: - The client

    private func publishByConnection() throws {
        guard self.fixture.isRead else { return }
        self.nextRef += 1
        self.unanswered.append(self.nextRef)
        try self.fixture.send(
            TickertapeServerTests.publish(self.random.pick(Self.topics), "y", ref: self.nextRef)
        )
    }

    private func subscribe() throws {
        guard self.fixture.isRead, self.followers.values.count(where: \.isOpen) < 7 else { return }
        self.nextNumber += 1
        let start: WebSocketFollower.Start
        let filter: TopicFilter
        switch self.random.int(0...3) {
        case 0:
            // Of one topic, so that it can be counted; of e there is none.
            start = .tail(self.random.int(1...4))
            filter = TopicFilter([try TopicPattern(self.random.pick(Self.topics + ["e", "e"]))])
        case 1:
            start = .live
            filter = try self.anyFilter()
        default:
            start = .after(Int64(self.random.int(0...Int(self.log.head))))
            filter = try self.anyFilter()
        }
        let follower = WebSocketFollower("s\(self.nextNumber)", filter, from: start)
        self.followers[follower.name] = follower
        try self.fixture.send(follower.command)
    }

    private func anyFilter() throws -> TopicFilter {
        let patterns = (0..<self.random.int(1...2)).map { _ in
            self.random.pick(Self.topics + ["*", "e"])
        }
        return TopicFilter(try patterns.map { try TopicPattern($0) })
    }

    private func unsubscribe() throws {
        let open = self.followers.values.filter(\.isOpen).map(\.name).sorted()
        guard self.fixture.isRead, !open.isEmpty else { return }
        let name = self.random.pick(open)
        try self.fixture.send(TickertapeServerTests.unsubscribe(name, ref: 0))
    }

    private func take(_ told: [String]) {
        for frame in told {
            let words = frame.split(separator: " ").map(String.init)
            switch words[0] {
            case "published": self.answered(words)
            // The second try to end one.
            case "error" where words[1] == "unknown_subscription": break
            default:
                guard words.count > 2 || words[0] == "unsubscribed" else {
                    self.check("unexpected: \(frame)")
                    return
                }
                let messages = self.log.messages
                guard let wrong = self.followers[words[1]]?.take(words, messages) else { continue }
                let command = self.followers[words[1]]?.command ?? ""
                self.check("\(frame): \(wrong), \(command)")
            }
        }
    }

    private func answered(_ words: [String]) {
        guard let id = Int64(words[1]), id > self.lastPublished,
            words.last == self.unanswered.first.map({ "#\($0)" })
        else {
            self.check("\(words), but \(self.unanswered) wait")
            return
        }
        self.lastPublished = id
        self.unanswered.removeFirst()
    }
}
