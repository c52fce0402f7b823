import NIOCore
import NIOEmbedded
import Testing
import TickertapeCore
import TickertapeTestSupport

@testable import TickertapeServer

/// Subscriptions of a WebSocket: where they start, what they are called, and how they end.
struct WebSocketSubscriptionTests {
    /// A connection to a broker that has `count` messages of topic a.
    private func open(_ count: Int = 0, _ limits: Limits = Limits()) throws -> WebSocketFixture {
        let fixture = try WebSocketFixture(limits)
        for number in 0..<count {
            try fixture.connection.publish("a", "\(number + 1)")
            fixture.connection.log.commitAndAnnounce()
        }
        #expect(try fixture.run() == ["hello head=0"])
        return fixture
    }

    @Test("A live subscription is told its head, that it is live, and then what comes")
    func live() throws {
        let fixture = try self.open(3)
        try fixture.send(subscribe("a", "b/*", as: "rooms", with: #","ref":"r""#))
        #expect(try fixture.told() == ["subscribed rooms head=3 #r", "caught_up rooms 3"])
        try fixture.connection.publish("a", "x")
        try fixture.connection.publish("b", "y")
        try fixture.connection.publish("b/c", "z")
        #expect(try fixture.run() == ["message rooms 4 a x", "message rooms 6 b/c z"])
    }

    @Test(
        "What there was at the start comes before the word that it is live",
        arguments: [
            (#","after":1"#, ["message 1 2 a 2", "message 1 3 a 3", "caught_up 1 3"]),
            (#","after":"2""#, ["message 1 3 a 3", "caught_up 1 3"]),
            (#","after":3"#, ["caught_up 1 3"]),
            (#","after":1,"tail":0"#, ["message 1 2 a 2", "message 1 3 a 3", "caught_up 1 3"]),
            (#","tail":1"#, ["message 1 3 a 3", "caught_up 1 3"]),
            (
                #","tail":9"#,
                ["message 1 1 a 1", "message 1 2 a 2", "message 1 3 a 3", "caught_up 1 3"]
            ),
            (#","tail":0"#, ["caught_up 1 3"]),
            (#","after":9"#, ["gap 1 reset 9->3", "caught_up 1 3"]),
            (#","after":"x""#, ["gap 1 unknown null->3", "caught_up 1 3"]),
            (#","after":"""#, ["gap 1 unknown null->3", "caught_up 1 3"]),
        ]
    )
    func starts(start: String, told: [String]) throws {
        // From memory, and from the log.
        for recentBytesMax in [1_000, 1] {
            var limits = Limits()
            limits.recentBytesMax = recentBytesMax
            let fixture = try self.open(3, limits)
            try fixture.send(subscribe("a", with: start))
            #expect(try fixture.run() == ["subscribed 1 head=3"] + told)
            try fixture.connection.publish("a", "x")
            #expect(try fixture.run() == ["message 1 4 a x"])
        }
    }

    @Test("A tail of a topic without messages is a live start")
    func emptyTail() throws {
        let fixture = try self.open(3)
        try fixture.send(subscribe("b", with: #","tail":5"#))
        let told = try fixture.run()
        #expect(
            told.filter { !$0.hasPrefix("cursor ") } == ["subscribed 1 head=3", "caught_up 1 3"]
        )
        try fixture.connection.publish("b", "x")
        #expect(try fixture.run() == ["message 1 4 b x"])
    }

    @Test("What retention has taken is told before the first message behind it")
    func retention() throws {
        var limits = Limits()
        limits.recentBytesMax = 1
        let fixture = try self.open(4, limits)
        fixture.connection.log.remove { $0.id < 3 }
        try fixture.send(subscribe("a", with: #","after":0"#))
        #expect(
            try fixture.run() == [
                "subscribed 1 head=4", "gap 1 retention 0->3", "message 1 3 a 3",
                "message 1 4 a 4", "caught_up 1 4",
            ]
        )
    }

    @Test("That it is live is said once, however often it falls behind")
    func caughtUpOnce() throws {
        var limits = Limits()
        limits.pageMessagesMax = 2
        limits.writeBytesMax = 10
        let fixture = try self.open(3, limits)
        try fixture.send(subscribe("a", with: #","after":0"#))
        var told = try fixture.run()
        for round in 0..<3 {
            fixture.socket.stall(true)
            for _ in 0..<5 {
                try fixture.connection.publish("a", "\(round)")
                fixture.connection.run()
            }
            fixture.socket.stall(false)
            told += try fixture.told() + fixture.run()
        }
        #expect(told.filter { $0.hasPrefix("caught_up") } == ["caught_up 1 3"])
        #expect(told.filter { $0.hasPrefix("message") }.count == 18)
        #expect(told.firstIndex(of: "caught_up 1 3") == 4)
    }

    @Test("While messages are passed over, a heartbeat says how far")
    func cursors() throws {
        let fixture = try self.open()
        try fixture.send(subscribe("a"), subscribe("b"))
        _ = try fixture.run()
        for _ in 0..<3 { try fixture.connection.publish("b", "x") }
        _ = try fixture.run()
        fixture.connection.loop.advanceTime(by: .seconds(16))
        #expect(try fixture.told() == ["cursor 1 3"])
        fixture.connection.loop.advanceTime(by: .seconds(60))
        #expect(try fixture.told() == [], "no heartbeat of its own: a WebSocket has pings")
    }

    // MARK: - Names

    @Test("A message is sent once for each subscription that selects it, until it is ended")
    func independent() throws {
        let fixture = try self.open()
        try fixture.send(subscribe("a", as: "x"), subscribe("*", as: "y"))
        _ = try fixture.run()
        try fixture.connection.publish("a", "1")
        #expect(try fixture.run().sorted() == ["message x 1 a 1", "message y 1 a 1"])
        try fixture.connection.publish("a", "2")
        try fixture.send(unsubscribe("x", ref: 1), unsubscribe("x", ref: 2))
        #expect(
            try fixture.run() == [
                "unsubscribed x #1", "error unknown_subscription #2", "message y 2 a 2",
            ]
        )
        try fixture.send(subscribe("a", as: "x", with: #","after":0"#))
        #expect(
            try fixture.run() == [
                "subscribed x head=2", "message x 1 a 1", "message x 2 a 2", "caught_up x 2",
            ]
        )
    }

    @Test("One that ends while its page is read gets nothing more, its name can be used again")
    func endsWhileReading() throws {
        var limits = Limits()
        limits.recentBytesMax = 1
        let fixture = try self.open(3, limits)
        try fixture.send(subscribe("a", as: "x", with: #","after":0"#))
        fixture.connection.loop.advanceTime(by: .milliseconds(1))
        #expect(fixture.connection.log.wantedReadCount == 1)
        try fixture.send(unsubscribe("x", ref: 1), subscribe("b", as: "x"))
        let told = try fixture.run()
        #expect(
            told == [
                "subscribed x head=3", "unsubscribed x #1", "subscribed x head=3", "caught_up x 3",
            ]
        )
    }

    @Test("A name in use is refused, and numbers go around names")
    func names() throws {
        let fixture = try self.open()
        let table: [(name: String?, told: String)] = [
            ("1", "subscribed 1 head=0"), ("3", "subscribed 3 head=0"),
            ("1", "error subscription_exists"), (nil, "subscribed 2 head=0"),
            ("2", "error subscription_exists"), (nil, "subscribed 4 head=0"),
            ("", "error invalid_parameter"), ("a\\u0000", "error invalid_parameter"),
            (String(repeating: "é", count: 32), nil),
            (String(repeating: "é", count: 32) + "e", "error invalid_parameter"),
            // The same to `String`, and two names to the broker.
            ("\u{E9}", nil), ("e\u{301}", nil), (nil, "subscribed 5 head=0"),
        ].map { ($0, $1 ?? "subscribed \($0 ?? "") head=0") }
        for row in table {
            try fixture.send(subscribe("a", as: row.name))
            #expect(try fixture.told().first == row.told)
        }
    }

    @Test("More subscriptions than a connection may have are refused until one ends")
    func tooMany() throws {
        var limits = Limits()
        limits.subscriptionsMax = 2
        let fixture = try self.open(0, limits)
        try fixture.send(subscribe("a"), subscribe("a"), subscribe("a"))
        let told = try fixture.told().filter { !$0.hasPrefix("caught_up") }
        #expect(
            told == [
                "subscribed 1 head=0", "subscribed 2 head=0", "error too_many_subscriptions",
            ]
        )
        try fixture.send(unsubscribe("1", ref: 1), subscribe("a"))
        #expect(
            try fixture.told() == ["unsubscribed 1 #1", "subscribed 3 head=0", "caught_up 3 0"]
        )
    }

    @Test(
        "A subscription that cannot begin leaves nothing behind",
        arguments: [
            (subscribe("a//b", as: "x"), "invalid_pattern"),
            (subscribe("a", as: "x", with: #","tail":1001"#), "invalid_parameter"),
            (#"{"type":"subscribe","topics":[],"subscription":"x"}"#, "invalid_parameter"),
        ]
    )
    func refused(command: String, code: String) throws {
        let fixture = try self.open()
        try fixture.send(command, unsubscribe("x", ref: 1), subscribe("a", as: "x"))
        #expect(
            try fixture.told() == [
                "error \(code)", "error unknown_subscription #1", "subscribed x head=0",
                "caught_up x 0",
            ]
        )
    }

    // MARK: - Compression

    @Test(
        "Long messages are compressed where that was agreed on, and say the same",
        arguments: ["permessage-deflate", "permessage-deflate; server_max_window_bits=9"]
    )
    func compression(offer: String) throws {
        let fixture = try WebSocketFixture(extensions: offer)
        #expect(fixture.head.contains("\r\nSec-WebSocket-Extensions: permessage-deflate"))
        try fixture.send(subscribe("a"))
        _ = try fixture.run()
        let long = String(repeating: "tick", count: 500)
        try fixture.connection.publish("a", "x")
        try fixture.connection.publish("a", long)
        #expect(try fixture.run() == ["message 1 1 a x", "~message 1 2 a \(long)"])
    }
}
