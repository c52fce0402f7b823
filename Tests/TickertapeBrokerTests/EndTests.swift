import Testing
import TickertapeCore
import TickertapeLog
import TickertapeTestSupport
import TickertapeWire

@testable import TickertapeBroker

/// What followers see of topics that end: everything that is due, and then the end.
struct EndTests {
    @Test("Live ones get the last message and then the end; a wildcard goes on")
    func live() throws {
        let fixture = LoopFixture()
        let (one, pattern) = (RecordingTransport(), RecordingTransport())
        let held = [
            try fixture.subscribe(one, to: "a", from: .live),
            try fixture.subscribe(pattern, to: "*", from: .live),
        ]
        try fixture.announce(("a", "1"))
        try fixture.announceLast("a", "2", "3")
        #expect(one.ends == [])
        fixture.run()
        #expect(one.ids == [1, 2, 3])
        #expect(one.ends == ["a ended 3"])
        #expect(pattern.ids == [1, 2, 3])
        #expect(pattern.ends == [])
        #expect(held.map(\.isOpen) == [false, true])
        try fixture.announce(("b", "4"))
        fixture.run()
        #expect(pattern.ids == [1, 2, 3, 4])
    }

    @Test("An end without a message comes at once, with its reason")
    func withoutMessage() throws {
        for (reason, lastID) in [(TopicEnd.Reason.ended, 1), (.stopped, 1), (.stopped, 0)] {
            let fixture = LoopFixture()
            let transport = RecordingTransport()
            if lastID == 1 { try fixture.announce(("a", "x")) }
            let held = try fixture.subscribe(transport, to: "a", from: .live)
            fixture.run()
            try fixture.end("a", reason)
            fixture.run()
            #expect(transport.ends == ["a \(reason) \(lastID)"])
            #expect(!held.isOpen)
            #expect(!fixture.fanout.isFollowed)
        }
    }

    @Test("Who starts, reads or waits for its socket gets the rest before the end")
    func others() throws {
        let fixture = LoopFixture(examinedMax: 2)
        for text in ["1", "2", "3"] { try fixture.announce(("a", text)) }
        let transports = (0..<4).map { _ in RecordingTransport() }
        transports[2].isFull = true
        let starts: [StartPosition] = [.after(0), .tail(2), .live, .after(1)]
        let held = try zip(transports, starts).map {
            try fixture.subscribe($0, to: "a", from: $1)
        }
        // The first pages are on their way, or their position is being looked for.
        fixture.run()
        try fixture.announceLast("a", "4", "5")
        fixture.runReading()
        #expect(transports.map(\.ids) == [[1, 2, 3, 4, 5], [2, 3, 4, 5], [], [2, 3, 4, 5]])
        #expect(transports.map(\.ends) == [["a ended 5"], ["a ended 5"], [], ["a ended 5"]])
        transports[2].isFull = false
        fixture.fanout.socketDrained(held[2])
        fixture.runReading()
        #expect(transports[2].ids == [4, 5])
        #expect(transports[2].ends == ["a ended 5"])
        #expect(held.allSatisfy { !$0.isOpen })
        #expect(fixture.fanout.notLive.all.isEmpty)
    }

    @Test("A page that was read before the last message does not end it")
    func pageOnItsWay() throws {
        let fixture = LoopFixture()
        let other = RecordingTransport()
        try fixture.announce(("a", "1"))
        let transport = RecordingTransport()
        let held = try fixture.subscribe(transport, to: "a", from: .tail(1))
        let kept = try fixture.subscribe(other, to: "*", from: .live)
        // Where the tail begins is found; its page then waits in the log while the topic ends.
        fixture.run()
        #expect(fixture.log.answerRead(at: 0))
        fixture.run()
        #expect(fixture.log.answerRead(at: 0))
        try fixture.announceLast("a", "2")
        fixture.runReading()
        #expect(transport.ids == [1, 2])
        #expect(transport.ends == ["a ended 2"])
        #expect([held, kept].map(\.isOpen) == [false, true])
    }

    @Test("Who falls behind in the pass that ends it reads the rest first")
    func fallenBehind() throws {
        var limits = Limits()
        limits.writeBytesMax = 1
        let fixture = LoopFixture(limits)
        let transport = RecordingTransport()
        let held = try fixture.subscribe(transport, to: "a", from: .live)
        try fixture.announce(("a", "1"), ("a", "2"))
        try fixture.announceLast("a", "3")
        fixture.runReading()
        #expect(transport.ids == [1, 2, 3])
        #expect(transport.ends == ["a ended 3"])
        #expect(!held.isOpen)
    }

    @Test("A write that fills the socket puts the end off until it has room")
    func filled() throws {
        let fixture = LoopFixture()
        let transport = RecordingTransport()
        let held = try fixture.subscribe(transport, to: "a", from: .live)
        fixture.run()
        transport.isFull = true
        try fixture.announceLast("a", "1")
        fixture.runReading()
        #expect(transport.ids == [1])
        #expect(transport.ends == [])
        transport.isFull = false
        fixture.fanout.socketDrained(held)
        fixture.runReading()
        #expect(transport.ids == [1])
        #expect(transport.ends == ["a ended 1"])
    }

    @Test("Who asked is told that it is live, and then the end")
    func caughtUp() throws {
        let fixture = LoopFixture()
        try fixture.announceLast("a", "1")
        let transport = RecordingTransport()
        transport.tellsCaughtUp = true
        let held = try fixture.subscribe(transport, to: "a", from: .after(0))
        fixture.runReading()
        let caughtUp = "id: 1\nevent: tickertape.caught-up\ndata: {\"id\":1}\n\n"
        #expect(transport.writes.joined() == opening() + "id: 1\ndata: 1\n\n" + caughtUp)
        #expect(transport.ends == ["a ended 1"])
        #expect(!held.isOpen)
    }

    @Test("Very many streams end in slices")
    func slices() throws {
        let fixture = LoopFixture()
        let transports = (0..<100).map { _ in RecordingTransport() }
        let held = try transports.map { try fixture.subscribe($0, to: "a", from: .live) }
        fixture.run()
        try fixture.announceLast("a", "x")
        fixture.turn()
        for slice in 1...3 {
            fixture.runSlice()
            let toldCount = transports.count { !$0.endings.isEmpty }
            #expect((1...16 * (slice + 1)).contains(toldCount))
        }
        fixture.run()
        #expect(transports.allSatisfy { $0.endings.count == 1 && $0.ids == [1] })
        #expect(held.allSatisfy { !$0.isOpen })
    }

    @Test("Who waits for a message is woken by the end of all it waits for")
    func waiters() throws {
        let fixture = LoopFixture()
        var woken = [0, 0, 0]
        let filters = [try filter("a"), try filter("a", "b"), try filter("*")]
        let waiters = filters.indices.map { index in HistoryWaiter { woken[index] += 1 } }
        for (filter, waiter) in zip(filters, waiters) {
            fixture.fanout.wait(for: filter, waiter: waiter)
        }
        try fixture.end("a")
        fixture.run()
        #expect(woken == [1, 0, 0])
        try fixture.end("b")
        fixture.run()
        #expect(woken == [1, 1, 0])
        fixture.fanout.stopWaiting(for: filters[2], waiter: waiters[2])
    }

    @Test("Where a start leaves nothing to come")
    func leavesNothing() throws {
        let topic = try TopicName("a")
        let rows: [(StartPosition, Bool, Bool)] = [
            (.live, true, true), (.after(0), false, true), (.after(6), false, true),
            (.after(7), true, true), (.after(8), true, true), (.tail(0), true, true),
            (.tail(1), false, true), (.unknown, false, true),
        ]
        for (start, isLeft, isLeftOfNothing) in rows {
            for (lastID, expected) in [(7, isLeft), (0, isLeftOfNothing)] as [(Int64, Bool)] {
                let last = TopicEnd(
                    topic: topic,
                    reason: .ended,
                    lastID: lastID,
                    timeMilliseconds: 0
                )
                let end = FilterEnd(last: last, lastID: lastID)
                #expect(end.leavesNothing(after: start) == expected, "\(start) of \(lastID)")
            }
        }
    }
}
