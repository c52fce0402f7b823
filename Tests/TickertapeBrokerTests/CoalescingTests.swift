import NIOCore
import Testing
import TickertapeCore
import TickertapeLog
import TickertapeTestSupport
import TickertapeWire

@testable import TickertapeBroker

/// Messages that are joined on replay.
struct CoalescingTests {
    private func message(
        _ id: Int64,
        _ data: String,
        topic: String = "a",
        event: String? = nil,
        key: String? = nil
    ) throws -> Message {
        Message(
            id: id,
            topic: try TopicName(topic),
            timeMilliseconds: id * 10,
            event: event,
            key: key,
            data: data
        )
    }

    private func joined(_ messages: [Message], bytesMax: Int = 1_000) -> [String] {
        var rest = messages[...]
        var joined: [String] = []
        while let message = rest.popJoined(bytesMax: bytesMax) {
            #expect(message.timeMilliseconds == message.id * 10, "the time is that of the last")
            joined.append("\(message.id) \(message.data)")
        }
        return joined
    }

    @Test("Side by side and alike, they are joined; the id is that of the last")
    func alike() throws {
        #expect(self.joined([]) == [])
        #expect(self.joined([try self.message(7, "x")]) == ["7 x"])
        let messages = [
            try self.message(1, "a"), try self.message(2, ""), try self.message(4, "b\n"),
            try self.message(5, "c", topic: "b"), try self.message(6, "d", topic: "b"),
            try self.message(7, "e"), try self.message(8, "f", event: "t"),
            try self.message(9, "g", event: "t"), try self.message(10, "h", event: "t", key: "k"),
            try self.message(11, "i", event: "t", key: "k"), try self.message(12, "j", key: "k"),
        ]
        #expect(
            self.joined(messages) == ["4 ab\n", "6 cd", "7 e", "9 fg", "11 hi", "12 j"]
        )
    }

    @Test("CR and LF of two messages stay two line ends")
    func lineEnds() throws {
        let texts = ["a\r", "\nb", "c\r", "d\n", "\ne"]
        let messages = try texts.enumerated().map { try self.message(Int64($0 + 1), $1) }
        #expect(self.joined(messages) == ["1 a\r", "5 \nbc\rd\n\ne"])
    }

    @Test("A joined message is bounded in bytes of payload; one alone may be larger")
    func bounded() throws {
        let texts = ["éé", "x", "yy", "012345678", "z"]
        let messages = try texts.enumerated().map { try self.message(Int64($0 + 1), $1) }
        #expect(self.joined(messages, bytesMax: 5) == ["2 ééx", "3 yy", "4 012345678", "5 z"])
        #expect(self.joined(messages, bytesMax: 1).count == 5)
    }

    /// A log with so many tokens, read from the beginning by one that joins.
    private func replay(
        _ texts: [String],
        _ limits: Limits = Limits(),
        fromMemory: Bool,
        framing: StreamFraming = .plain
    ) throws -> (RecordingTransport, LoopFixture) {
        var limits = limits
        if !fromMemory { limits.recentBytesMax = 1 }
        let fixture = LoopFixture(limits, examinedMax: 20_000)
        for text in texts {
            let draft = Draft(topic: try TopicName("a"), data: text)
            precondition(fixture.log.admit(draft), "there is room")
            fixture.log.append([draft]) { _ in }
        }
        // What was committed before somebody follows is read from the log, or kept if it is new.
        if fromMemory {
            let other = RecordingTransport()
            let held = try fixture.subscribe(other, to: "b", from: .live)
            fixture.log.commitAndAnnounce()
            fixture.run()
            fixture.fanout.close(held)
        } else {
            fixture.log.commitAndAnnounce()
            fixture.run()
            try fixture.announce(("b", "pushes the others out"))
        }
        let transport = RecordingTransport(framing: framing)
        transport.coalesces = true
        transport.tellsCaughtUp = true
        let held = try fixture.subscribe(transport, to: "a", from: .after(0))
        fixture.runReading()
        #expect(held.isLive)
        let counters = fixture.fanout.counters
        #expect(counters.pagesFromMemory > 0 || !fromMemory)
        #expect(counters.pagesFromLog > 0 || fromMemory)
        #expect(counters.out.messages == Int64(texts.count), "messages are counted, not events")
        #expect(counters.out.bytes == Int64(texts.reduce(0) { $0 + $1.utf8.count }))
        return (transport, fixture)
    }

    @Test("An answer of 5,000 tokens comes in few events", arguments: [true, false])
    func tokens(fromMemory: Bool) throws {
        let texts = (0..<5_000).map { "token\($0) " }
        let (transport, fixture) = try self.replay(texts, fromMemory: fromMemory)
        #expect((1...3).contains(transport.data.count))
        #expect(transport.data.joined() == texts.joined())
        #expect(transport.writes.joined().contains("id: 5000\ndata: token"))
        transport.forget()
        // What is live is not joined.
        try fixture.announce(("a", "l"), ("a", "i"))
        fixture.run()
        #expect(transport.data == ["l", "i"])
    }

    @Test("Large messages come in writes of about the bound", arguments: [true, false])
    func large(fromMemory: Bool) throws {
        let texts = (0..<60).map { String(repeating: "\($0 % 10)", count: 9_000) }
        let (transport, _) = try self.replay(texts, fromMemory: fromMemory, framing: .chunked)
        let limits = Limits()
        #expect(transport.data.joined() == texts.joined())
        #expect(transport.data.allSatisfy { $0.utf8.count <= limits.coalescedBytesMax })
        #expect(transport.writes.allSatisfy { $0.utf8.count <= limits.writeBytesMax + 9_100 })
        #expect(transport.data.count < 12)
    }

    @Test("Messages that cannot be joined are written a bounded number at a time too")
    func unlike() throws {
        var limits = Limits()
        limits.writeBytesMax = 2_000
        limits.recentBytesMax = 1
        let fixture = LoopFixture(limits, examinedMax: 20_000)
        for index in 0..<300 { try fixture.announce((index % 2 == 0 ? "a" : "b", "")) }
        let transport = RecordingTransport()
        transport.coalesces = true
        let held = try fixture.subscribe(transport, to: "*", from: .after(0))
        fixture.runReading()
        #expect(transport.ids == Array(1...300))
        #expect(transport.writes.allSatisfy { $0.utf8.count < 2_100 })
        #expect(held.isLive)
    }

    @Test("Who fell behind and catches up gets what it missed joined")
    func fallenBehind() throws {
        for isFull in [true, false] {
            var limits = Limits()
            if !isFull { limits.writeBytesMax = 300 }
            let fixture = LoopFixture(limits)
            let transport = RecordingTransport()
            transport.coalesces = true
            let held = try fixture.subscribe(transport, to: "a", from: .live)
            try fixture.announce(("a", "x"))
            transport.isFull = isFull
            fixture.run()
            transport.isFull = false
            for text in ["1", "2", "3", "4", "5", "6"] { try fixture.announce(("a", text)) }
            if isFull { fixture.fanout.socketDrained(held) }
            fixture.runReading()
            #expect(transport.data == ["x", "123456"])
            #expect(transport.ids == [1, 7])
            #expect(held.isLive)
        }
    }

    @Test("A tail and a gap come with joined messages as with others")
    func tailAndGap() throws {
        let fixture = LoopFixture()
        for text in ["1", "2", "3", "4"] { try fixture.announce(("a", text)) }
        let (tail, gap) = (RecordingTransport(), RecordingTransport())
        tail.coalesces = true
        gap.coalesces = true
        let tailed = try fixture.subscribe(tail, to: "a", from: .tail(3))
        fixture.runReading()
        #expect(tail.data == ["234"])
        #expect(fixture.log.purge(try TopicName("a"), through: 2))
        fixture.tell()
        let told = try fixture.subscribe(gap, to: "a", from: .after(1))
        fixture.runReading()
        #expect(
            gap.writes.joined()
                == opening() + "id: 2\nevent: tickertape.gap\n"
                + "data: {\"after\":1,\"resumed\":3,\"reason\":\"retention\"}\n\n"
                + "id: 4\ndata: 34\n\n"
        )
        #expect([tailed, told].allSatisfy { $0.isLive })
    }
}
