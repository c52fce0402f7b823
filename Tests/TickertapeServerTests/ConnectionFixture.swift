import NIOCore
import NIOEmbedded
import Testing
import TickertapeBroker
import TickertapeCore
import TickertapeLog
import TickertapeTestSupport
import TickertapeWire

@testable import TickertapeServer

/// One connection to a server on a loop whose time stands still, over a simulated log.
final class ConnectionFixture {
    let log: SimulatedLog
    let loop = EmbeddedEventLoop()
    let server: LoopServer
    let channel: EmbeddedChannel
    private let broker: Broker
    private let count: ConnectionCount

    init(
        _ limits: Limits = Limits(),
        _ features: Features = Features(),
        _ admission: AdmissionFixture = AdmissionFixture()
    ) throws {
        let admission = try admission.admission(limits)

        self.log = SimulatedLog(.stepwise, queueMessagesMax: limits.queueMessagesMax)
        self.broker = Broker(log: self.log, eventLoops: [self.loop], limits: limits)
        self.count = ConnectionCount(emptied: self.loop.makePromise())
        self.server = LoopServer(
            fanout: self.broker.fanout(on: self.loop),
            limits: limits,
            features: features,
            count: self.count,
            admission: admission
        )
        self.channel = EmbeddedChannel(loop: self.loop)
        try ConnectionHandler.add(
            to: self.channel.pipeline.syncOperations,
            self.server,
            peer: admission.peer()
        )
        try self.channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
    }

    deinit {
        _ = try? self.channel.finish(acceptAlreadyClosed: true)
        self.count.giveUp()
        self.loop.run()
    }

    func send(_ text: String) throws {
        try self.send(Array(text.utf8))
    }

    func send(_ bytes: [UInt8]) throws {
        try self.channel.writeInbound(ByteBuffer(bytes: bytes))
    }

    /// Lets log and loop do everything that is due.
    func run() {
        for _ in 0..<400 {
            self.loop.advanceTime(by: .microseconds(10))
            self.log.commitAndAnnounce()
            while self.log.answerRead(at: 0) {}
        }
        self.loop.advanceTime(by: .microseconds(10))
    }

    /// Lets seconds pass for deadlines.
    func pass(seconds: Double) {
        for _ in 0..<Int(seconds * Double(LoopServer.ticksPerSecond)) { self.server.advance() }
        self.loop.run()
    }

    /// Commits a message by another way than this connection.
    func publish(_ topic: String, _ data: String, end: DraftEnd = .none) throws {
        let draft = Draft(topic: try TopicName(topic), data: data, end: end)
        precondition(self.log.admit(draft), "there is room")
        self.log.append([draft]) { _ in }
    }

    /// What was sent since this was last asked.
    func sent() throws -> String {
        var text = ""
        while let bytes = try self.channel.readOutbound(as: ByteBuffer.self) {
            text += String(buffer: bytes)
        }
        return text
    }

    /// The answers that were sent since this was last asked.
    func answers() throws -> [Answer] {
        try Answer.all(in: try self.sent())
    }
}

/// What every stream begins with.
func opening(cursor: Int64? = nil) -> String {
    var buffer = ByteBuffer()
    EventStreamFrame.writeOpening(retryMilliseconds: 3_000, cursor: cursor, into: &buffer)
    return String(buffer: buffer)
}

/// One HTTP answer with a length.
struct Answer: Equatable {
    let status: Int
    let fields: [String: String]
    let body: String

    static func all(in text: String) throws -> [Answer] {
        var rest = text.utf8[...]
        var answers: [Answer] = []
        while !rest.isEmpty {
            let end = try #require(
                rest.firstRange(of: Array("\r\n\r\n".utf8)),
                "\(Substring(rest))"
            )
            let lines = Substring(rest[..<end.lowerBound]).split(separator: "\r\n")
            let words = try #require(lines.first).split(separator: " ")
            #expect(words[0] == "HTTP/1.1")
            var fields: [String: String] = [:]
            for line in lines.dropFirst() {
                let pair = line.split(
                    separator: ": ",
                    maxSplits: 1,
                    omittingEmptySubsequences: false
                )
                fields[pair[0].lowercased()] = String(pair[1])
            }
            rest = rest[end.upperBound...]
            let length = fields["content-length"].flatMap { Int($0) } ?? 0
            let body = String(Substring(rest.prefix(length)))
            rest = rest.dropFirst(length)
            let status = try #require(Int(words[1]))
            answers.append(Answer(status: status, fields: fields, body: body))
        }
        return answers
    }

    var isLast: Bool { self.fields["connection"] == "close" }
}

func get(_ target: String, _ fields: String...) -> String {
    "GET \(target) HTTP/1.1\r\nHost: a\r\n\(fields.map { $0 + "\r\n" }.joined())\r\n"
}

func post(_ target: String, _ body: String, _ fields: String...) -> String {
    "POST \(target) HTTP/1.1\r\nHost: a\r\nContent-Length: \(body.utf8.count)\r\n"
        + "\(fields.map { $0 + "\r\n" }.joined())\r\n\(body)"
}
