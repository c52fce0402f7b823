import NIOCore
import NIOEmbedded
import Testing
import TickertapeBroker
import TickertapeCore
import TickertapeTestSupport
import TickertapeWire

@testable import TickertapeServer

/// How a WebSocket ends: by its client, for what it sent, with the broker, in silence.
struct WebSocketEndTests {
    private static let normal: [UInt8] = [0x03, 0xE8]
    private static let restart: [UInt8] = [0x03, 0xF4]

    private func open(_ limits: Limits = Limits()) throws -> WebSocketFixture {
        let fixture = try WebSocketFixture(limits)
        _ = try fixture.told()
        return fixture
    }

    // MARK: - The client ends

    @Test(
        "A close is answered with its own code, and what was sent before it is carried out",
        arguments: [
            (normal, "CLOSE 1000"), ([0x03, 0xE9], "CLOSE 1001"), ([], "CLOSE"),
            ([0x0F, 0xA0, 0x78], "CLOSE 4000"), ([0x03, 0xED], "CLOSE 1002"), ([3], "CLOSE 1002"),
        ] as [([UInt8], String)]
    )
    func peerCloses(payload: [UInt8], answer: String) throws {
        let fixture = try self.open()
        try fixture.send(publish("a", "x", ref: 1), ping(2))
        try fixture.send(.close, payload)
        #expect(try fixture.told() == ["pong #2", answer])
        #expect(fixture.socket.isOutputClosed)
        #expect(fixture.isRead, "so that the end of the peer is seen")
        try fixture.send(ping(3), publish("a", "y", ref: 4))
        #expect(try fixture.run() == [], "nothing behind a close")
        #expect(fixture.connection.log.messages.map(\.data) == ["x"])
        #expect(!fixture.isClosed)
        fixture.endInput()
        #expect(fixture.isClosed)
    }

    @Test("A client that closes and then stays is closed after a while")
    func peerStays() throws {
        let fixture = try self.open()
        try fixture.send(.close, Self.normal)
        #expect(try fixture.pass(seconds: 1.5) == ["CLOSE 1000"])
        #expect(!fixture.isClosed)
        #expect(try fixture.pass(seconds: 1) == [])
        #expect(fixture.isClosed)
    }

    @Test("A client that ends its side without a close is gone, and makes room for another")
    func inputEnds() throws {
        var limits = Limits()
        limits.streamsMax = 1
        let fixture = try self.open(limits)
        try fixture.send(subscribe("a"), publish("a", "x", ref: 1))
        let count = fixture.connection.server.count
        #expect(!count.openStream(max: 1))
        fixture.endInput()
        #expect(fixture.isClosed)
        #expect(count.openStream(max: 1))
        fixture.connection.run()
        #expect(fixture.connection.log.head == 1, "what was sent is stored")
    }

    // MARK: - What cannot be understood

    @Test(
        "What is against the protocol ends the connection, and nothing behind it is looked at",
        arguments: [
            ([0x81, 0x00], 1_002), (masked(.continuation, [0x78]), 1_002),
            ([0xF1, 0x80, 0, 0, 0, 0], 1_002), ([0x83, 0x80, 0, 0, 0, 0], 1_002),
            (masked(.ping, Array(repeating: 0, count: 126)), 1_002),
            (masked(.binary, Array("{}".utf8)), 1_003), (masked(.text, [0xFF]), 1_007),
            ([0x81, 0xFF] + bigEndian(16_777_217, bytes: 8) + [0, 0, 0, 0], 1_009),
        ] as [([UInt8], Int)]
    )
    func failures(bytes: [UInt8], code: Int) throws {
        let fixture = try self.open()
        let before = masked(.text, Array(publish("a", "x", ref: 1).utf8))
        let behind = masked(.text, Array(publish("a", "y", ref: 2).utf8))
        try fixture.connection.send(before + bytes + behind)
        #expect(try fixture.run() == ["CLOSE \(code)"])
        #expect(fixture.connection.log.messages.map(\.data) == ["x"])
        #expect(fixture.socket.isOutputClosed)
        fixture.endInput()
        #expect(fixture.isClosed)
    }

    @Test("When the log cannot be read a client is asked back, once for all its subscriptions")
    func logFails() throws {
        var limits = Limits()
        limits.recentBytesMax = 1
        let fixture = try self.open(limits)
        for _ in 0..<3 {
            try fixture.connection.publish("a", "x")
            fixture.connection.log.commitAndAnnounce()
        }
        fixture.connection.log.setFailing(true)
        try fixture.send(subscribe("a", with: #","after":0"#), subscribe("a", with: #","tail":1"#))
        let told = try fixture.run()
        #expect(told == ["subscribed 1 head=3", "subscribed 2 head=3", "CLOSE 1011"])
        try fixture.send(.close, [0x03, 0xF3])
        #expect(try fixture.told() == [])
        #expect(fixture.socket.isOutputClosed)
    }

    @Test("Behind a close of the broker nothing is written, no answer to a publish either")
    func nothingBehindClose() throws {
        var limits = Limits()
        limits.recentBytesMax = 1
        let fixture = try self.open(limits)
        for _ in 0..<3 {
            try fixture.connection.publish("a", "x")
            fixture.connection.log.commitAndAnnounce()
        }
        try fixture.send(publish("a", "y", ref: 1), subscribe("a", with: #","after":0"#))
        let (log, loop) = (fixture.connection.log, fixture.connection.loop)
        loop.advanceTime(by: .milliseconds(1))
        log.setFailing(true)
        #expect(log.answerRead(at: 0))
        loop.advanceTime(by: .milliseconds(1))
        #expect(try fixture.told() == ["subscribed 1 head=3", "CLOSE 1011"])
        log.setFailing(false)
        #expect(try fixture.run() == [], "RFC 6455, 5.5.1")
        #expect(log.head == 4, "it is stored all the same")
    }

    // MARK: - The broker stops

    @Test("When the broker stops a client is told so, and the close waits for its answer")
    func drains() throws {
        let fixture = try self.open()
        try fixture.send(subscribe("a"), subscribe("b"))
        _ = try fixture.run()
        fixture.connection.server.drain()
        fixture.connection.server.fanout.endAll()
        #expect(try fixture.told() == ["draining", "CLOSE 1012"])
        #expect(!fixture.socket.isOutputClosed)
        try fixture.connection.publish("a", "x")
        try fixture.send(ping(1))
        #expect(try fixture.run() == [])
        try fixture.send(.close, Self.restart)
        #expect(fixture.socket.isOutputClosed)
        fixture.endInput()
        #expect(fixture.isClosed)
        #expect(try fixture.told() == [])
    }

    @Test("Who does not answer a close is closed after a while")
    func drainsWithoutAnswer() throws {
        let fixture = try self.open()
        fixture.connection.server.drain()
        #expect(try fixture.pass(seconds: 1.5) == ["draining", "CLOSE 1012"])
        #expect(!fixture.isClosed)
        #expect(try fixture.pass(seconds: 1) == [])
        #expect(fixture.isClosed)
    }

    @Test("When the broker stops, publishes it has read are answered before the goodbye")
    func drainsAnswering() throws {
        let fixture = try self.open()
        try fixture.send(publish("a", "x", ref: 1), publish("a", "y", ref: 2))
        fixture.connection.loop.run()
        fixture.connection.server.drain()
        try fixture.send(ping(3), publish("a", "z", ref: 4))
        #expect(!fixture.isRead)
        #expect(try fixture.pass(seconds: 5) == [], "no deadline runs while the log is slow")
        #expect(
            try fixture.run() == [
                "published 1 a #1", "published 2 a #2", "draining", "CLOSE 1012",
            ]
        )
        #expect(fixture.connection.log.messages.map(\.data) == ["x", "y"])
        #expect(fixture.isRead, "for the answer to the close")
    }

    @Test("A close that came while the last publishes were answered is not waited for")
    func drainsClosing() throws {
        let fixture = try self.open()
        try fixture.send(publish("a", "x", ref: 1))
        fixture.connection.loop.run()
        fixture.connection.server.drain()
        try fixture.send(.close, Self.normal)
        #expect(try fixture.run() == ["published 1 a #1", "draining", "CLOSE 1012"])
        #expect(fixture.socket.isOutputClosed)
    }

    // MARK: - Silence

    private var quick: Limits {
        var limits = Limits()
        limits.heartbeatSeconds = 2
        return limits
    }

    @Test("A client that is silent is asked twice, and then it is gone")
    func silence() throws {
        let fixture = try self.open(self.quick)
        #expect(try fixture.pass(seconds: 3.75) == [])
        #expect(try fixture.pass(seconds: 2) == ["PING"])
        #expect(try fixture.pass(seconds: 2) == ["PING"])
        #expect(!fixture.isClosed)
        #expect(try fixture.pass(seconds: 2) == [], "no close frame")
        #expect(fixture.isClosed)
    }

    @Test("Any frame is a sign of life", arguments: [WebSocketOpcode.pong, .ping, .text])
    func alive(opcode: WebSocketOpcode) throws {
        let fixture = try self.open(self.quick)
        for _ in 0..<4 {
            #expect(try fixture.pass(seconds: 4).filter { $0 == "PING" }.count <= 1)
            try fixture.send(opcode, opcode == .text ? Array("{}".utf8) : [])
        }
        #expect(!fixture.isClosed)
    }

    @Test("A client that does not read is not judged until it does")
    func stalled() throws {
        let fixture = try self.open(self.quick)
        fixture.socket.stall(true)
        try fixture.send(ping(1))
        #expect(try fixture.pass(seconds: 100) == [])
        #expect(!fixture.isClosed)
        fixture.socket.stall(false)
        #expect(try fixture.pass(seconds: 3.75).first == "pong #1")
        #expect(!fixture.isClosed)
        _ = try fixture.pass(seconds: 4.25)
        #expect(fixture.isClosed)
    }

    @Test("A message that does not arrive ends the connection, whatever else is heard")
    func dribbling() throws {
        var limits = Limits()
        limits.requestTimeoutSeconds = 3
        let fixture = try self.open(limits)
        try fixture.connection.send(masked(.text, Array("{".utf8), isFinal: false))
        for _ in 0..<5 {
            try fixture.send(.ping)
            #expect(try fixture.pass(seconds: 0.5) == ["PONG "])
        }
        #expect(try fixture.pass(seconds: 1).first?.hasPrefix("CLOSE ") == true)
        #expect(fixture.socket.isOutputClosed)
    }

    @Test("A client that is not read from is not judged")
    func unread() throws {
        var limits = self.quick
        limits.unansweredPublishesMax = 1
        let fixture = try self.open(limits)
        try fixture.send(publish("a", "x", ref: 1))
        #expect(try fixture.pass(seconds: 100) == [])
        #expect(!fixture.isClosed)
        #expect(try fixture.run() == ["published 1 a #1"])
    }
}
