import NIOCore
import Testing
import TickertapeCore
import TickertapeTestSupport
import TickertapeWire

@testable import TickertapeBroker

/// The word that replay has reached the live tail, on event streams that ask for it.
struct CaughtUpTests {
    private static let event = "tickertape.caught-up"

    private func transport() -> RecordingTransport {
        let transport = RecordingTransport(framing: .chunked)
        transport.tellsCaughtUp = true
        return transport
    }

    /// What came, without the opening: ids, and the words of the broker with their ids.
    private func told(_ transport: RecordingTransport) -> [String] {
        transport.items.compactMap { item in
            switch item {
            case .message(let id, Self.event, let data):
                #expect(data == #"{"id":\#(id)}"#)
                return "caught up \(id)"
            case .message(let id, "tickertape.gap", _): return "gap \(id)"
            case .message(let id, _, _): return id
            case .cursor, .retry, .comment, .unknown: return nil
            }
        }
    }

    @Test(
        "It comes once, behind what there was at the start",
        arguments: [
            (.live, ["caught up 6"]), (.after(6), ["caught up 6"]),
            (.after(0), ["1", "3", "5", "caught up 6"]), (.after(4), ["5", "caught up 6"]),
            (.tail(2), ["3", "5", "caught up 6"]), (.after(9), ["gap 6", "caught up 6"]),
            (.unknown, ["gap 6", "caught up 6"]),
        ] as [(StartPosition, [String])]
    )
    func starts(start: StartPosition, expected: [String]) throws {
        for recentBytesMax in [1, 100_000] {
            var limits = Limits()
            limits.recentBytesMax = recentBytesMax
            limits.pageMessagesMax = 1
            limits.writeBytesMax = 1
            let fixture = LoopFixture(limits)
            for _ in 0..<3 { try fixture.announce(("a", "x"), ("b", "y")) }
            let (asked, other) = (self.transport(), RecordingTransport())
            let held = [
                try fixture.subscribe(asked, to: "a", from: start),
                try fixture.subscribe(other, to: "a", from: start),
            ]
            fixture.runReading()
            #expect(self.told(asked) == expected)
            #expect(self.told(other) == expected.filter { !$0.hasPrefix("caught") })
            try fixture.announce(("a", "z"))
            fixture.runReading()
            for _ in 0..<3 { fixture.passHeartbeatInterval() }
            #expect(self.told(asked) == expected + ["7"])
            #expect(held.allSatisfy { $0.isLive })
        }
    }

    @Test("A live start is told at once")
    func atOnce() throws {
        let fixture = LoopFixture()
        let transport = self.transport()
        let subscription = try fixture.subscribe(transport, to: "a", from: .live)
        #expect(self.told(transport) == ["caught up 0"])
        #expect(subscription.isLive)
    }

    @Test("A tail of a topic without messages is told when that is known")
    func emptyTail() throws {
        let fixture = LoopFixture()
        try fixture.announce(("b", "x"))
        let transport = self.transport()
        let subscription = try fixture.subscribe(transport, to: "a", from: .tail(3))
        #expect(self.told(transport) == [])
        fixture.runReading()
        #expect(self.told(transport) == ["caught up 1"])
        #expect(subscription.isLive)
    }

    @Test("What comes while the log is read comes before it")
    func behindTail() throws {
        var limits = Limits()
        limits.recentBytesMax = 1
        limits.pageMessagesMax = 2
        let fixture = LoopFixture(limits)
        for _ in 0..<3 { try fixture.announce(("a", "x")) }
        let transport = self.transport()
        let subscription = try fixture.subscribe(transport, to: "a", from: .after(0))
        for _ in 0..<2 {
            fixture.run()
            // Announced, and then the page comes: it ends before what is new.
            #expect(fixture.log.answerRead(at: 0))
            try fixture.announce(("a", "x"))
        }
        #expect(self.told(transport).allSatisfy { !$0.hasPrefix("caught") })
        try fixture.announce(("a", "x"))
        fixture.runReading()
        #expect(self.told(transport) == ["1", "2", "3", "4", "5", "6", "caught up 6"])
        #expect(subscription.isLive)
    }

    @Test("One whose socket is full is told when it has drained and read what it missed")
    func fullSocket() throws {
        let fixture = LoopFixture()
        let transport = self.transport()
        transport.isFull = true
        let subscription = try fixture.subscribe(transport, to: "a", from: .live)
        try fixture.announce(("a", "x"))
        fixture.runReading()
        #expect(self.told(transport) == [], "nothing behind the opening")
        transport.isFull = false
        fixture.fanout.socketDrained(subscription)
        fixture.runReading()
        #expect(self.told(transport) == ["1", "caught up 1"])
    }

    @Test("When it fills the socket itself, nothing is lost, and it is not told again")
    func fillsSocket() throws {
        var limits = Limits()
        limits.recentBytesMax = 1
        let fixture = LoopFixture(limits)
        for _ in 0..<2 { try fixture.announce(("a", "x")) }
        let transport = self.transport()
        let subscription = try fixture.subscribe(transport, to: "a", from: .after(0))
        fixture.run()
        #expect(fixture.log.answerRead(at: 0))
        // From the page on each write fills it, and it drains at once.
        for _ in 0..<5 {
            transport.isFull = true
            fixture.run()
            try fixture.announce(("a", "x"))
            fixture.runReading()
            transport.isFull = false
            fixture.fanout.socketDrained(subscription)
            fixture.runReading()
        }
        let told = self.told(transport)
        #expect(told.filter { !$0.hasPrefix("caught") } == ["1", "2", "3", "4", "5", "6", "7"])
        #expect(told.count { $0.hasPrefix("caught") } == 1)
        #expect(subscription.isLive)
    }
}
