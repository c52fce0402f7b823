import Testing
import TickertapeCore
import TickertapeTestSupport
import TickertapeWire

@testable import TickertapeBroker

struct HeartbeatTests {
    @Test("A quiet stream gets a comment once in an interval")
    func comment() throws {
        let fixture = LoopFixture()
        let transport = RecordingTransport(framing: .chunked)
        let subscription = try fixture.subscribe(transport, to: "a", from: .live)
        transport.forget()
        for _ in 0..<14 { fixture.fanout.beat() }
        #expect(transport.writes.isEmpty)
        fixture.fanout.beat()
        #expect(transport.writes == [":\n"])
        fixture.passHeartbeatInterval()
        #expect(transport.writes == [":\n", ":\n"])
        #expect(subscription.isLive)
    }

    @Test("A stream whose filter has passed over messages is told how far")
    func cursor() throws {
        let fixture = LoopFixture()
        let transport = RecordingTransport()
        let subscription = try fixture.subscribe(transport, to: "a", from: .live)
        transport.forget()
        for _ in 0..<4 { try fixture.announce(("b", "x")) }
        fixture.run()
        fixture.passHeartbeatInterval()
        #expect(transport.writes == ["id: 4\n\n"])
        #expect(subscription.cursor == 4)
        fixture.passHeartbeatInterval()
        #expect(transport.writes == ["id: 4\n\n", ":\n"], "told once")
    }

    @Test("While something is left to write the passed over ids are not told")
    func notPastWaitingMessages() throws {
        var limits = Limits()
        limits.sliceSubscribersMax = 1
        limits.sliceMicrosecondsMax = 0
        let fixture = LoopFixture(limits)
        let transports = (0..<3).map { _ in RecordingTransport() }
        let held = try transports.map { try fixture.subscribe($0, to: "a", from: .live) }
        for transport in transports { transport.forget() }
        try fixture.announce(("a", "x"), ("b", "x"))
        fixture.turn()
        // The pass is under way: somebody waits for its turn.
        fixture.passHeartbeatInterval()
        let waiting = transports.filter { $0.ids.isEmpty }
        #expect(waiting.count >= 2)
        #expect(waiting.allSatisfy { $0.writes == [":\n"] })
        fixture.run()
        #expect(transports.allSatisfy { $0.ids == [1] })
        #expect(held.count == 3)
    }

    @Test("A busy stream needs no sign of life")
    func busy() throws {
        let fixture = LoopFixture()
        let transport = RecordingTransport()
        let subscription = try fixture.subscribe(transport, to: "a", from: .live)
        transport.forget()
        for _ in 0..<40 {
            for _ in 0..<14 { fixture.fanout.beat() }
            try fixture.announce(("a", "x"))
            fixture.run()
        }
        #expect(transport.ids.count == 40)
        #expect(transport.items.count == 40, "nothing but messages")
        #expect(subscription.isLive)
    }

    @Test("A full socket gets none, and one when its interval comes again after it drained")
    func full() throws {
        let fixture = LoopFixture()
        let transport = RecordingTransport()
        let subscription = try fixture.subscribe(transport, to: "a", from: .live)
        transport.isFull = true
        try fixture.announce(("a", "x"))
        fixture.run()
        transport.forget()
        for _ in 0..<3 { fixture.passHeartbeatInterval() }
        #expect(transport.writes.isEmpty)
        transport.isFull = false
        fixture.fanout.socketDrained(subscription)
        fixture.runReading()
        fixture.passHeartbeatInterval()
        #expect(transport.writes == [":\n"])
    }

    @Test("A stream that waits for its page of the log gets comments")
    func reading() throws {
        var limits = Limits()
        limits.recentBytesMax = 1
        let fixture = LoopFixture(limits)
        for _ in 0..<3 { try fixture.announce(("a", "x")) }
        let transports = [RecordingTransport(), RecordingTransport()]
        let held = [
            try fixture.subscribe(transports[0], to: "a", from: .after(0)),
            try fixture.subscribe(transports[1], to: "a", from: .tail(2)),
        ]
        fixture.run()
        for transport in transports { transport.forget() }
        fixture.passHeartbeatInterval()
        for transport in transports { #expect(transport.writes == [":\n"]) }
        fixture.runReading()
        #expect(transports.map(\.ids) == [[1, 2, 3], [2, 3]])
        #expect(held.count == 2)
    }
}
