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

    //   last message and end              | subscriber
    //   durable                           |
    //                                     | subscribes
    //   announced                         |
    @Test(
        "Who comes between the end and its announcement gets everything once, and the end",
        arguments: [StartPosition.after(0), .after(1), .after(2), .tail(1), .live, .unknown]
    )
    func between(start: StartPosition) throws {
        for toldCount in 0...2 {
            let fixture = LoopFixture()
            try fixture.announce(("a", "1"))
            let draft = Draft(topic: try TopicName("a"), data: "2", end: .withMessage)
            #expect(fixture.log.admit(draft))
            fixture.log.append([draft]) { _ in }
            fixture.log.commit(.max)
            for _ in 0..<toldCount { _ = fixture.log.tellNext() }
            let transport = RecordingTransport()
            let held = try fixture.subscribe(transport, to: "a", from: start)
            #expect(transport.ends == [], "the transport is not told before it knows")
            fixture.runReading()
            fixture.tell()
            fixture.runReading()
            let expected: [Int64] =
                switch start {
                case .after(0): [1, 2]
                case .after(1), .tail: [2]
                default: []
                }
            #expect(transport.ids == expected)
            #expect(transport.ends == ["a ended 2"])
            #expect(!held.isOpen)
        }
    }

    @Test("Who follows several topics is told nothing until the last of them ends")
    func several() throws {
        let fixture = LoopFixture()
        let (both, behind) = (RecordingTransport(), RecordingTransport())
        let held = try fixture.subscribe(both, to: "a", "b", from: .live)
        try fixture.announceLast("a", "1")
        fixture.run()
        let late = try fixture.subscribe(behind, to: "b", "a", from: .after(0))
        fixture.runReading()
        try fixture.announce(("b", "2"))
        fixture.run()
        #expect(both.ends == [] && behind.ends == [])
        try fixture.announceLast("b", "3")
        fixture.run()
        #expect(both.ids == [1, 2, 3] && behind.ids == [1, 2, 3])
        #expect(both.ends == ["b ended 3"] && behind.ends == ["b ended 3"])
        #expect([held, late].map(\.isOpen) == [false, false])
    }

    //   end of a announced                | loop
    //   last of b and its end durable     |
    //                                     | asks: both have ended
    //   last of b announced               |
    @Test("An end that is known before the last message waits for that")
    func known() throws {
        let fixture = LoopFixture()
        let transport = RecordingTransport()
        let held = try fixture.subscribe(transport, to: "a", "b", from: .live)
        fixture.log.end(try TopicName("a"), .stopped)
        _ = fixture.log.tellNext()
        let draft = Draft(topic: try TopicName("b"), data: "1", end: .withMessage)
        #expect(fixture.log.admit(draft))
        fixture.log.append([draft]) { _ in }
        fixture.log.commit(.max)
        fixture.run()
        #expect(held.isOpen)
        fixture.tell()
        fixture.run()
        #expect(transport.ids == [1])
        #expect(transport.ends == ["b ended 1"])
    }

    @Test("What was purged before it was written is told as a gap, and then the end")
    func purged() throws {
        for isLive in [true, false] {
            let fixture = LoopFixture()
            let (transport, other) = (RecordingTransport(), RecordingTransport())
            let kept = try fixture.subscribe(other, to: "*", from: .live)
            try fixture.announce(("a", "1"))
            let held = try fixture.subscribe(transport, to: "a", from: isLive ? .live : .after(0))
            if !isLive { fixture.turn() }
            try fixture.announceLast("a", "2")
            #expect(fixture.log.purge(try TopicName("a"), through: 2))
            fixture.tell()
            fixture.runReading()
            let after = isLive ? 1 : 0
            let written = transport.writes.joined()
            #expect(written.contains("{\"after\":\(after),\"resumed\":2,\"reason\":\"retention\"}"))
            #expect(transport.ids == [])
            #expect(transport.ends == ["a ended 2"])
            #expect([held, kept].map(\.isOpen) == [false, true])
        }
    }

    @Test("Reopened before it was told, it goes on, and ends when the topic ends again")
    func reopened() throws {
        let fixture = LoopFixture()
        let transport = RecordingTransport()
        let held = try fixture.subscribe(transport, to: "a", from: .live)
        let full = RecordingTransport()
        full.isFull = true
        let slow = try fixture.subscribe(full, to: "a", from: .live)
        try fixture.announceLast("a", "1")
        #expect(fixture.log.reopen(try TopicName("a")))
        fixture.run()
        #expect(transport.ends == [])
        try fixture.announce(("a", "2"))
        fixture.run()
        #expect(transport.ids == [1, 2])
        #expect(held.isLive)
        try fixture.announceLast("a", "3")
        fixture.run()
        #expect(transport.ids == [1, 2, 3])
        #expect(transport.ends == ["a ended 3"])
        #expect(full.ends == [])
        #expect(fixture.log.reopen(try TopicName("a")))
        full.isFull = false
        fixture.fanout.socketDrained(slow)
        fixture.runReading()
        #expect(full.ids == [1, 2, 3])
        #expect(full.ends == [])
        #expect(slow.isLive)
    }

    @Test("A topic that is deleted behind its end takes those along who were not done")
    func deletedLater() throws {
        let fixture = LoopFixture()
        for _ in 0..<3 { try fixture.announce(("a", "x")) }
        let (done, reading) = (RecordingTransport(), RecordingTransport())
        let held = [
            try fixture.subscribe(done, to: "a", from: .live),
            try fixture.subscribe(reading, to: "a", from: .tail(2)),
        ]
        try fixture.end("a")
        fixture.run()
        #expect(done.ends == ["a ended 3"])
        #expect(reading.ends == [])
        try fixture.delete("a")
        fixture.runReading()
        #expect(done.ends.count == 1)
        #expect(reading.ends == ["a deleted"])
        #expect(reading.ids == [])
        #expect(held.allSatisfy { !$0.isOpen })
    }

    @Test("Where one topic has ended and another is deleted, the rest of the first comes first")
    func endedAndDeleted() throws {
        for deletesLast in [true, false] {
            let fixture = LoopFixture()
            try fixture.announce(("a", "1"), ("b", "2"), ("a", "3"))
            let transport = RecordingTransport()
            let held = try fixture.subscribe(transport, to: "a", "b", from: .tail(5))
            fixture.run()
            if deletesLast {
                try fixture.end("a", .stopped)
                try fixture.delete("b")
            } else {
                try fixture.delete("b")
                try fixture.end("a", .stopped)
            }
            fixture.runReading()
            #expect(transport.ids == [1, 3])
            #expect(transport.ends == [deletesLast ? "b deleted" : "a stopped 3"])
            #expect(!held.isOpen)
        }
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
