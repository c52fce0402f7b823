import NIOCore
import NIOEmbedded
import Testing
import TickertapeCore
import TickertapeTestSupport
import TickertapeWire

@testable import TickertapeServer

/// Greetings, publishes, and when a client is not read from.
struct WebSocketHandlerTests {
    @Test("Who chose the subprotocol is greeted at once")
    func chosenProtocol() throws {
        let fixture = try WebSocketFixture()
        #expect(fixture.head.hasPrefix("HTTP/1.1 101 "))
        #expect(fixture.head.contains("\r\nSec-WebSocket-Protocol: tickertape.v1"))
        #expect(fixture.head.contains("\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="))
        #expect(try fixture.told() == ["hello head=0"])
        try fixture.send(ping(1))
        #expect(try fixture.told() == ["pong #1"])
        #expect(try fixture.pass(seconds: 1) == [], "once")
    }

    @Test("Who chose none is greeted when it waits for it", arguments: [nil, "chat, v1"])
    func waits(subprotocol: String?) throws {
        let fixture = try WebSocketFixture(protocol: subprotocol)
        #expect(!fixture.head.contains("Sec-WebSocket-Protocol"))
        #expect(try fixture.told() == [])
        #expect(try fixture.pass(seconds: 0.25) == ["hello head=0"])
        try fixture.send(ping(1))
        #expect(try fixture.told() == ["pong #1"])
        #expect(try fixture.pass(seconds: 1) == [], "once")
    }

    @Test(
        "Who chose none is greeted before the first reply, whatever it is",
        arguments: [
            (ping(1), ["pong #1"]), ("{}", ["error invalid_command"]),
            (subscribe("a"), ["subscribed 1 head=0", "caught_up 1 0"]),
            (publish("a", "x", ref: 1), ["published 1 a #1"]),
        ]
    )
    func firstReply(command: String, replies: [String]) throws {
        let fixture = try WebSocketFixture(protocol: nil)
        try fixture.send(command)
        #expect(try fixture.run() == ["hello head=\(fixture.connection.log.head)"] + replies)
        #expect(try fixture.pass(seconds: 1) == [], "once")
    }

    @Test("Who chose none and sends only what is no command is not greeted for it")
    func suite() throws {
        let fixture = try WebSocketFixture(protocol: nil)
        try fixture.send(.ping, Array("a".utf8))
        #expect(try fixture.told() == ["PONG a"])
        #expect(try fixture.pass(seconds: 1) == [])
        try fixture.send(ping(1))
        #expect(try fixture.told() == ["hello head=0", "pong #1"])
    }

    @Test("The echo says back what it is sent, and nothing of its own", arguments: [nil, "x"])
    func echo(subprotocol: String?) throws {
        let fixture = try WebSocketFixture(path: "/ws/echo", protocol: subprotocol)
        #expect(try fixture.pass(seconds: 1) == [])
        try fixture.send("héllo", ping(1))
        try fixture.send(.binary, [0, 255])
        #expect(try fixture.told() == ["héllo", "ping #1", "binary [0, 255]"])
        #expect(try fixture.pass(seconds: 1) == [])
    }

    @Test("A command in fragments, with a ping in between, is one command")
    func fragments() throws {
        let fixture = try WebSocketFixture()
        _ = try fixture.told()
        let text = Array(ping(7).utf8)
        try fixture.connection.send(masked(.text, Array(text[..<5]), isFinal: false))
        try fixture.send(.ping, Array("p".utf8))
        #expect(try fixture.told() == ["PONG p"])
        try fixture.connection.send(masked(.continuation, Array(text[5...])))
        #expect(try fixture.told() == ["pong #7"])
    }

    // MARK: - Publishing

    @Test("A publish is answered after its commit, in the order of publishes")
    func publishes() throws {
        let fixture = try WebSocketFixture()
        _ = try fixture.told()
        try fixture.send(
            publish("a", "x", ref: 1),
            publish("b", "y", ref: 2),
            publish("a**", "z", ref: 3),
            ping(4)
        )
        fixture.connection.loop.run()
        #expect(try fixture.told() == ["error invalid_topic #3", "pong #4"], "no commit yet")
        #expect(try fixture.run() == ["published 1 a #1", "published 2 b #2"])
        #expect(fixture.connection.log.messages.map(\.data) == ["x", "y"])
    }

    @Test("What a connection published is answered before it comes as a message")
    func repliesFirst() throws {
        let fixture = try WebSocketFixture()
        try fixture.send(subscribe("a"), subscribe("*", as: "all"))
        _ = try fixture.run()
        try fixture.send(publish("a", "x", ref: 1), publish("a", "y", ref: 2))
        let told = try fixture.run()
        #expect(told.prefix(2) == ["published 1 a #1", "published 2 a #2"])
        #expect(
            told.filter { $0.hasPrefix("message 1 ") } == ["message 1 1 a x", "message 1 2 a y"]
        )
        #expect(
            told.filter { $0.hasPrefix("message all ") }
                == ["message all 1 a x", "message all 2 a y"]
        )
    }

    @Test("The same idempotency key again is answered with the first message")
    func idempotency() throws {
        let fixture = try WebSocketFixture()
        _ = try fixture.told()
        try fixture.send(
            publish("a", "x", ref: 1, key: "k"),
            publish("a", "x", ref: 2, key: "k"),
            publish("a", "y", ref: 3, key: "k"),
            publish("a", "y", ref: 4)
        )
        #expect(
            try fixture.run() == [
                "published 1 a #1", "published 1 a repeated #2",
                "error idempotency_key_reused #3", "published 2 a #4",
            ]
        )
    }

    @Test("What the log does not take is an error of that publish alone")
    func refused() throws {
        var limits = Limits()
        limits.queueMessagesMax = 1
        let fixture = try WebSocketFixture(limits)
        _ = try fixture.told()
        try fixture.send(publish("a", "x", ref: 1), publish("a", "y", ref: 2))
        #expect(try fixture.told() == ["error queue_full #2"])
        #expect(try fixture.run() == ["published 1 a #1"])
        fixture.connection.log.setFailing(true)
        try fixture.send(publish("a", "z", ref: 3))
        #expect(try fixture.run() == ["error log_unavailable #3"])
        fixture.connection.log.setFailing(false)
        try fixture.send(publish("a", "z", ref: 4))
        #expect(try fixture.run() == ["published 2 a #4"])
    }

    // MARK: - Flow control

    @Test("With too many publishes unanswered a client is not read from until the commit")
    func unansweredCount() throws {
        var limits = Limits()
        limits.unansweredPublishesMax = 2
        let fixture = try WebSocketFixture(limits)
        _ = try fixture.told()
        try fixture.send(publish("a", "1", ref: 1))
        #expect(fixture.isRead)
        try fixture.send(publish("a", "2", ref: 2))
        #expect(!fixture.isRead)
        // Read already when the limit was reached.
        try fixture.send(publish("a", "3", ref: 3), ping(4), publish("a", "5", ref: 5), ping(6))
        fixture.connection.loop.run()
        #expect(try fixture.told() == [], "not even looked at")
        #expect(!fixture.isRead)
        // Each commit makes room: for 3 and 5, and what stands between them.
        let told = try fixture.run()
        #expect(
            told.filter { $0.hasPrefix("published") } == [
                "published 1 a #1", "published 2 a #2", "published 3 a #3", "published 4 a #5",
            ]
        )
        #expect(told.firstIndex(of: "pong #4") == 2)
        #expect(told.last == "pong #6", "behind 5, with which the limit was reached again")
        #expect(fixture.isRead)
    }

    @Test("With too many bytes unanswered a client is not read from until the commit")
    func unansweredBytes() throws {
        var limits = Limits()
        limits.unansweredBytesMax = 100
        let fixture = try WebSocketFixture(limits)
        _ = try fixture.told()
        let long = String(repeating: "x", count: 100)
        try fixture.send(publish("a", "1", ref: 1), publish("a", long, ref: 2), ping(3))
        #expect(!fixture.isRead)
        #expect(try fixture.told() == [])
        #expect(try fixture.run() == ["published 1 a #1", "published 2 a #2", "pong #3"])
        #expect(fixture.isRead)
    }

    @Test("A client that does not read its replies is not read from until it does")
    func unreadReplies() throws {
        let fixture = try WebSocketFixture()
        _ = try fixture.told()
        fixture.socket.stall(true)
        try fixture.send(ping(1))
        #expect(!fixture.isRead)
        let before = fixture.socket.waitingBytesMax
        try fixture.send(ping(2), publish("a", "x", ref: 3), ping(4))
        #expect(try fixture.run() == [])
        #expect(fixture.connection.log.head == 0, "not carried out")
        #expect(fixture.socket.waitingBytesMax == before)
        fixture.socket.stall(false)
        #expect(try fixture.told() == ["pong #1", "pong #2", "pong #4"])
        #expect(fixture.isRead)
        #expect(try fixture.run() == ["published 1 a #3"])
    }

    @Test("A client that sends a lot lets the others have their turn")
    func turns() throws {
        var limits = Limits()
        limits.commandsPerTurnMax = 2
        let fixture = try WebSocketFixture(limits)
        _ = try fixture.told()
        try fixture.send(ping(1), ping(2), ping(3), publish("a", "x", ref: 4), ping(5))
        #expect(try fixture.told() == ["pong #1", "pong #2"])
        #expect(!fixture.isRead)
        fixture.connection.loop.advanceTime(by: .microseconds(2))
        #expect(try fixture.told() == ["pong #3"])
        #expect(try fixture.run() == ["pong #5", "published 1 a #4"])
        #expect(fixture.isRead)
    }

    @Test("Answers of the log reach a client that has not read for a while")
    func answersWait() throws {
        let fixture = try WebSocketFixture()
        _ = try fixture.told()
        try fixture.send(publish("a", "x", ref: 1))
        fixture.socket.stall(true)
        try fixture.send(ping(2))
        #expect(try fixture.run() == [])
        fixture.socket.stall(false)
        #expect(try fixture.run() == ["pong #2", "published 1 a #1"])
    }
}
