import Testing
import TickertapeCore
import TickertapeLog
import TickertapeTestSupport
import TickertapeWire

@testable import TickertapeBroker

/// Topics that end while something else happens to them: in every order, everything that is due
/// comes, and then one end.
struct EndOrderTests {
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
        try fixture.end("a", .stopped)
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
        #expect(fixture.log.reopen(try TopicName("a")) == true)
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
        #expect(fixture.log.reopen(try TopicName("a")) == true)
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
}
