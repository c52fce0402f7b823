import Testing
import TickertapeCore
import TickertapeLog
import TickertapeTestSupport
import TickertapeWire

@testable import TickertapeBroker

struct LoopFanoutTests {
    private let gapText = "event: tickertape.gap\ndata: "

    @Test("The opening depends on where the stream starts")
    func openings() throws {
        let fixture = LoopFixture()
        for _ in 0..<3 { try fixture.announce(("a", "x"), ("b", "y")) }
        let table: [(start: StartPosition, bytes: String)] = [
            (.live, opening(cursor: 6)),
            (.after(6), opening()),
            (
                .after(9),
                opening() + "id: 6\n\(gapText){\"after\":9,\"resumed\":6,\"reason\":\"reset\"}\n\n"
            ),
            (
                .unknown,
                opening()
                    + "id: 6\n\(gapText){\"after\":null,\"resumed\":6,\"reason\":\"unknown\"}\n\n"
            ),
        ]
        for row in table {
            let transport = RecordingTransport()
            let subscription = try fixture.subscribe(transport, to: "a", from: row.start)
            #expect(transport.writes == [row.bytes])
            fixture.fanout.close(subscription)
        }
    }

    @Test("A tail comes after its opening, and one without messages is a live start")
    func tails() throws {
        let fixture = LoopFixture()
        for _ in 0..<3 { try fixture.announce(("a", "x"), ("b", "y")) }
        let (some, none) = (RecordingTransport(), RecordingTransport())
        let held = [
            try fixture.subscribe(some, to: "*", from: .tail(1)),
            try fixture.subscribe(none, to: "c", from: .tail(1)),
        ]
        #expect(some.writes == [opening()])
        fixture.runReading()
        #expect(some.ids == [5, 6])
        #expect(none.writes == [opening(), "id: 6\n\n"])
        try fixture.announce(("c", "z"))
        fixture.runReading()
        #expect(some.ids == [5, 6, 7])
        #expect(none.ids == [7])
        #expect(held.allSatisfy { $0.isLive })
    }

    @Test("Everything committed since the last write leaves in one write")
    func coalescing() throws {
        let fixture = LoopFixture()
        let transports = [RecordingTransport(framing: .chunked), RecordingTransport()]
        let held = try transports.map { try fixture.subscribe($0, to: "a", from: .live) }
        for transport in transports { transport.forget() }
        for number in 0..<5 { try fixture.announce(("a", "\(number)"), ("b", "")) }
        fixture.run()
        for transport in transports {
            #expect(transport.writes.count == 1)
            #expect(transport.ids == [1, 3, 5, 7, 9])
        }
        #expect(held.count == 2)
    }

    @Test("A pass serves some dozens at a time, and the loop polls in between")
    func slices() throws {
        var limits = Limits()
        limits.sliceSubscribersMax = 2
        limits.sliceMicrosecondsMax = 0
        let fixture = LoopFixture(limits)
        let transports = (0..<5).map { _ in RecordingTransport() }
        let held = try transports.map { try fixture.subscribe($0, to: "a", from: .live) }
        try fixture.announce(("a", "x"))
        fixture.turn()
        var servedCounts = [0, transports.count { $0.ids == [1] }]
        for _ in 0..<4 {
            fixture.runSlice()
            servedCounts.append(transports.count { $0.ids == [1] })
        }
        let steps = zip(servedCounts, servedCounts.dropFirst()).map { $1 - $0 }
        #expect(steps.allSatisfy { (0...2).contains($0) }, "\(servedCounts)")
        #expect(servedCounts.last == 5)
        #expect(held.count == 5)
    }

    @Test("After much other work a slice goes on, and each of its steps looks at the clock")
    func longSlices() throws {
        var limits = Limits()
        limits.sliceSubscribersMax = 2
        let fixture = LoopFixture(limits)
        var now: UInt64 = 1_000_000
        let stepNanoseconds: UInt64 = 100_000
        fixture.fanout.clock = {
            now += stepNanoseconds
            return now
        }
        let transports = (0..<20).map { _ in RecordingTransport() }
        let held = try transports.map { try fixture.subscribe($0, to: "a", from: .live) }
        var servedCount: Int { transports.count { $0.ids == [1] } }
        try fixture.announce(("a", "x"))
        fixture.turn()
        #expect(servedCount == 2, "nothing was waited for before the first")
        now += 600_000
        fixture.runSlice()
        // Half of 700 µs are three steps of 100 and what is left of a fourth.
        #expect(servedCount == 2 + 4 * 2)
        fixture.runSlice()
        #expect(servedCount == 12, "the loop had nothing else to do")
        now += 1_000_000_000
        fixture.runSlice()
        #expect(servedCount == 20)
        #expect(held.count == 20)
    }

    @Test("Everybody gets what they follow, also when there are more topics than are remembered")
    func manyTopics() throws {
        var limits = Limits()
        limits.indexedTopicsMax = 4
        let fixture = LoopFixture(limits)
        let patterns = ["t/*", "t/3", "**", "u/*"]
        let transports = patterns.map { _ in RecordingTransport() }
        let held = try zip(transports, patterns).map {
            try fixture.subscribe($0, to: $1, from: .live)
        }
        for _ in 0..<2 {
            for number in 0..<10 { try fixture.announce(("t/\(number)", "x")) }
            fixture.run()
        }
        #expect(transports.map(\.ids) == [Array(1...20), [4, 14], Array(1...20), []])
        #expect(held.count == 4)
    }

    @Test("A full socket gets nothing until it drains, and then everything, from the log")
    func fullSocket() throws {
        var limits = Limits()
        limits.recentBytesMax = 1
        let fixture = LoopFixture(limits)
        let transport = RecordingTransport()
        let subscription = try fixture.subscribe(transport, to: "a", from: .live)
        transport.isFull = true
        for _ in 0..<10 {
            try fixture.announce(("a", "x"))
            fixture.run()
        }
        #expect(transport.ids == [1])
        transport.isFull = false
        fixture.fanout.socketDrained(subscription)
        fixture.runReading()
        #expect(transport.ids == Array(1...10))
        #expect(subscription.isLive)
    }

    @Test("Nothing more is written to a socket that the opening has filled")
    func fullAtOnce() throws {
        let fixture = LoopFixture()
        let transport = RecordingTransport()
        transport.isFull = true
        let subscription = try fixture.subscribe(transport, to: "a", from: .live)
        try fixture.announce(("a", "x"))
        fixture.run()
        fixture.passHeartbeatInterval()
        #expect(transport.writes.count == 1, "the opening")
        transport.isFull = false
        fixture.fanout.socketDrained(subscription)
        fixture.runReading()
        #expect(transport.ids == [1])
    }

    @Test("A gap is told before the stream goes live, also when the log is ahead of the loop")
    func gapBeforeLive() throws {
        var limits = Limits()
        limits.recentBytesMax = 1
        let fixture = LoopFixture(limits, examinedMax: 9)
        try fixture.announce(("a", "gone"))
        for _ in 2...10 { try fixture.announce(("b", "x")) }
        fixture.log.remove { $0.id == 1 }
        let transport = RecordingTransport()
        let subscription = try fixture.subscribe(transport, to: "a", from: .after(0))
        fixture.run()
        // One more is durable when the page is read, which looks at 2 to 10 and selects nothing.
        try fixture.commit(("b", "x"))
        fixture.runReading()
        fixture.log.commitAndAnnounce()
        try fixture.announce(("a", "x"))
        fixture.runReading()
        let told = transport.items.compactMap {
            item -> (id: String, event: String, data: String)? in
            guard case .message(let id, let event, let data) = item else { return nil }
            return (id, event, data)
        }
        #expect(told.map(\.event) == ["tickertape.gap", ""])
        #expect(told.first?.data.hasPrefix(#"{"after":0,"#) == true)
        #expect(told.last?.id == "12")
        #expect(subscription.cursor == 12)
    }

    @Test("When the log cannot be read a stream ends, to come back with its cursor")
    func failingRead() throws {
        var limits = Limits()
        limits.recentBytesMax = 1
        let fixture = LoopFixture(limits)
        for _ in 0..<3 { try fixture.announce(("a", "x")) }
        fixture.log.setFailing(true)
        let transports = [RecordingTransport(), RecordingTransport()]
        let held = [
            try fixture.subscribe(transports[0], to: "a", from: .after(0)),
            try fixture.subscribe(transports[1], to: "a", from: .tail(1)),
        ]
        fixture.runReading()
        for transport in transports {
            #expect(transport.endings.count == 1)
            #expect(transport.endings.first == .logUnavailable)
            #expect(transport.ids == [])
        }
        for subscription in held { fixture.fanout.close(subscription) }
        #expect(!fixture.fanout.isFollowed)
    }

    @Test(
        "Nothing is read for a subscription that is closed",
        arguments: [StartPosition.after(0), .tail(1)]
    )
    func closedWhileReading(start: StartPosition) throws {
        var limits = Limits()
        limits.recentBytesMax = 1
        let fixture = LoopFixture(limits)
        for _ in 0..<3 { try fixture.announce(("a", "x")) }
        let transports = [RecordingTransport(), RecordingTransport()]
        let held = try transports.map { try fixture.subscribe($0, to: "a", from: start) }
        fixture.run()
        #expect(fixture.log.wantedReadCount == 2)
        fixture.fanout.close(held[0])
        #expect(fixture.log.wantedReadCount == 1)
        fixture.runReading()
        #expect(transports[0].ids == [])
        #expect(transports[1].ids.last == 3)
    }

    @Test("Ending tells everybody to come back, at times of their own")
    func endAll() throws {
        let fixture = LoopFixture()
        let transports = (0..<40).map { _ in RecordingTransport() }
        let held = try transports.map { try fixture.subscribe($0, to: "a", from: .live) }
        fixture.fanout.endAll()
        let endings = transports.flatMap(\.endings)
        #expect(endings.count == held.count)
        #expect(endings.allSatisfy { $0 == .draining })
        let times = endings.map(\.retryMilliseconds)
        #expect(times.allSatisfy { (1_000...5_000).contains($0) })
        #expect(Set(times).count > 10, "those who are sent away together come back apart")
        let later = SubscriptionEnd.logUnavailable.retryMilliseconds
        #expect((5_000...15_000).contains(later))
    }
}
