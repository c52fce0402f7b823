import Testing
import TickertapeCore
import TickertapeLog
import TickertapeTestSupport
import TickertapeWire

@testable import TickertapeBroker

/// What followers see of messages and topics that operators remove.
struct RemovalTests {
    private func delete(_ topic: String, in fixture: LoopFixture) throws {
        #expect(fixture.log.delete(try TopicName(topic)))
        while fixture.log.tellNext() {}
    }

    private func purge(_ topic: String, through id: Int64, in fixture: LoopFixture) throws {
        #expect(fixture.log.purge(try TopicName(topic), through: id))
        while fixture.log.tellNext() {}
    }

    private let gap = "event: tickertape.gap\ndata: "

    @Test("What was purged is not served from memory: who resumes is told of a gap")
    func resuming() throws {
        let fixture = LoopFixture()
        let other = RecordingTransport()
        let held = try fixture.subscribe(other, to: "b", from: .live)
        for _ in 0..<3 { try fixture.announce(("a", "x"), ("b", "y")) }
        fixture.run()
        try self.purge("a", through: 3, in: fixture)
        let transport = RecordingTransport()
        let subscription = try fixture.subscribe(transport, to: "a", from: .after(0))
        fixture.runReading()
        #expect(
            transport.writes.joined()
                == opening()
                + "id: 4\n\(self.gap){\"after\":0,\"resumed\":5,\"reason\":\"retention\"}\n\n"
                + "id: 5\ndata: x\n\n"
        )
        #expect(other.ids == [2, 4, 6])
        #expect(subscription.isLive && held.isLive)
    }

    @Test("What waits to be written when it is purged is not written, and told as a gap")
    func pending() throws {
        let fixture = LoopFixture()
        let transport = RecordingTransport()
        let held = try fixture.subscribe(transport, to: "*", from: .live)
        transport.forget()
        try fixture.announce(("a", "1"), ("b", "2"))
        try fixture.announce(("a", "3"), ("b", "4"))
        try self.purge("a", through: 3, in: fixture)
        fixture.runReading()
        #expect(
            transport.writes.joined()
                == "id: 1\n\(self.gap){\"after\":0,\"resumed\":2,\"reason\":\"retention\"}\n\n"
                + "id: 2\ndata: 2\n\nid: 4\ndata: 4\n\n"
        )
        #expect(held.isLive)
    }

    @Test("A purge in the middle of a pass leaves those who were served alone")
    func purgeInPass() throws {
        var limits = Limits()
        limits.sliceSubscribersMax = 2
        limits.sliceMicrosecondsMax = 0
        let fixture = LoopFixture(limits)
        let transports = (0..<4).map { _ in RecordingTransport() }
        let held = try transports.map { try fixture.subscribe($0, to: "a", from: .live) }
        try fixture.announce(("a", "1"), ("a", "2"))
        fixture.turn()
        #expect(transports.map(\.ids) == [[1, 2], [1, 2], [], []])
        try self.purge("a", through: 1, in: fixture)
        fixture.runReading()
        #expect(transports.map(\.ids) == [[1, 2], [1, 2], [2], [2]])
        let gaps = transports.map { $0.writes.joined().contains("tickertape.gap") }
        #expect(gaps == [false, false, true, true])
        let counted = fixture.fanout.counters
        #expect(counted.out == .init(messages: 6, bytes: 6))
        #expect(counted.outByTopic == [try TopicName("a"): .init(messages: 6, bytes: 6)])
        #expect(held.allSatisfy { $0.isLive })
    }

    @Test("A stream ends with the last of its topics, one with a wildcard never")
    func ends() throws {
        let fixture = LoopFixture()
        let (one, two, pattern) = (
            RecordingTransport(), RecordingTransport(), RecordingTransport()
        )
        let held = [
            try fixture.subscribe(one, to: "a", from: .live),
            try fixture.subscribe(two, to: "a", "b", from: .live),
            try fixture.subscribe(pattern, to: "*", from: .live),
        ]
        try fixture.announce(("a", "x"), ("b", "y"))
        fixture.run()
        try self.delete("a", in: fixture)
        fixture.run()
        #expect(one.ends == ["a deleted"])
        #expect(two.ends == [])
        try self.delete("b", in: fixture)
        fixture.run()
        #expect(one.endings.count == 1)
        #expect(two.ends == ["b deleted"])
        #expect(pattern.ends == [])
        #expect(held.map(\.isOpen) == [false, false, true])
        try fixture.announce(("a", "z"))
        fixture.run()
        #expect(one.ids == [1])
        #expect(pattern.ids == [1, 2, 3])
    }

    @Test("Those who read, start or wait for their socket are told the end like those who are live")
    func endOfOthers() throws {
        let fixture = LoopFixture()
        for _ in 0..<3 { try fixture.announce(("a", "x")) }
        let transports = (0..<3).map { _ in RecordingTransport() }
        transports[2].isFull = true
        let starts: [StartPosition] = [.after(0), .tail(1), .live]
        let held = try zip(transports, starts).map {
            try fixture.subscribe($0, to: "a", from: $1)
        }
        // Its first page is on the way, or its position is being looked for.
        fixture.run()
        try self.delete("a", in: fixture)
        fixture.runReading()
        for transport in transports {
            #expect(transport.ends == ["a deleted"])
        }
        #expect(held.allSatisfy { !$0.isOpen })
        #expect(!fixture.fanout.isFollowed)
        #expect(fixture.fanout.notLive.all.isEmpty)
    }

    @Test("What is published after a deletion does not come before the end of the old stream")
    func createdAgainAtOnce() throws {
        let fixture = LoopFixture()
        let transport = RecordingTransport()
        let held = try fixture.subscribe(transport, to: "a", from: .live)
        try fixture.announce(("a", "x"))
        fixture.run()
        try self.delete("a", in: fixture)
        try fixture.announce(("a", "new"))
        let later = RecordingTransport()
        let follower = try fixture.subscribe(later, to: "a", from: .after(0))
        fixture.runReading()
        #expect(transport.ids == [1])
        #expect(transport.ends == ["a deleted"])
        #expect(later.ends == [])
        #expect(later.ids == [2])
        #expect(later.writes.joined().contains("{\"after\":0,\"resumed\":2,"))
        #expect([held, follower].map(\.isOpen) == [false, true])
    }

    //   deletion                          | subscriber
    //   durable                           |
    //                                     | subscribes
    //   announced                         |
    @Test("Who comes between a deletion and its announcement is told the end, once")
    func between() throws {
        for isTold in [false, true] {
            let fixture = LoopFixture()
            try fixture.announce(("a", "x"))
            #expect(fixture.log.delete(try TopicName("a")))
            if isTold { while fixture.log.tellNext() {} }
            let transport = RecordingTransport()
            let subscription = try fixture.subscribe(transport, to: "a", from: .after(0))
            #expect(transport.ends == [], "the transport is not told before it knows")
            while fixture.log.tellNext() {}
            fixture.runReading()
            #expect(transport.ends == ["a deleted"])
            #expect(!subscription.isOpen)
            #expect(fixture.fanout.end(of: subscription.audience.filter) != nil)
        }
    }

    @Test("A loop that nobody followed anything on learns of deletions in their order")
    func unfollowed() throws {
        let fixture = LoopFixture()
        try fixture.announce(("a", "x"))
        try self.delete("a", in: fixture)
        try fixture.announce(("a", "new"))
        let transport = RecordingTransport()
        let subscription = try fixture.subscribe(transport, to: "a", from: .live)
        fixture.run()
        #expect(transport.ends == [])
        try fixture.announce(("a", "newer"))
        fixture.run()
        #expect(transport.ids == [3])
        #expect(subscription.isLive)
    }

    @Test("Very many streams end in slices")
    func slices() throws {
        let fixture = LoopFixture()
        let transports = (0..<100).map { _ in RecordingTransport() }
        let held = try transports.map { try fixture.subscribe($0, to: "a", from: .live) }
        try fixture.announce(("a", "x"))
        fixture.run()
        try self.delete("a", in: fixture)
        fixture.turn()
        for slice in 1...3 {
            fixture.runSlice()
            let toldCount = transports.count { !$0.endings.isEmpty }
            #expect((1...16 * slice).contains(toldCount))
        }
        fixture.run()
        #expect(transports.allSatisfy { $0.endings.count == 1 })
        #expect(held.allSatisfy { !$0.isOpen })
    }
}
