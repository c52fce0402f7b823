import NIOCore
import Testing
import TickertapeCore
import TickertapeLog
import TickertapeTestSupport
import TickertapeWire

@testable import TickertapeBroker

/// Subscribers of one audience, each in a format of its own.
struct FormatTests {
    private let encoder = FrameEncoder(limits: Limits())

    /// Some long enough to be compressed.
    private func messages(_ ids: ClosedRange<Int64>) throws -> [Message] {
        try ids.map { id in
            let data = id % 3 == 0 ? String(repeating: "tick \(id)", count: 100) : "data\n\(id)"
            return try message(id, "a", data)
        }
    }

    private func announce(_ messages: [Message], _ fixture: LoopFixture) throws {
        for message in messages { try fixture.announce((message.topic.text, message.data)) }
    }

    @Test("A batch is written right in more formats than are kept, however often it is asked for")
    func recentBatches() throws {
        let messages = try self.messages(1...9)
        var recent = RecentBatches(floor: 0, bytesMax: 100_000)
        let sequence = recent.append(CommittedBatch(messages))
        for range in [0...8, 0...0, 3...5, 8...8, 0...8] {
            for format in manyFormats {
                let transport = FormatTransport(format)
                var buffer = ByteBuffer()
                recent.write(range, of: sequence, as: format, self.encoder, into: &buffer)
                #expect(
                    Array(buffer.readableBytesView) == transport.expected(Array(messages[range])),
                    "\(range) as \(format)"
                )
            }
        }
    }

    @Test("A cursor is served right in more formats than are kept")
    func afterCursor() throws {
        let messages = try self.messages(1...9)
        var recent = RecentBatches(floor: 0, bytesMax: 100_000)
        _ = recent.append(CommittedBatch(Array(messages[..<4])))
        _ = recent.append(CommittedBatch(Array(messages[4...])))
        for cursor in Int64(0)...9 {
            for format in manyFormats.reversed() {
                var buffer = ByteBuffer()
                let written = recent.write(
                    after: cursor,
                    bytesMax: .max,
                    as: format,
                    self.encoder,
                    into: &buffer
                ) { _ in true }
                let expected = FormatTransport(format).expected(Array(messages[Int(cursor)...]))
                #expect(Array(buffer.readableBytesView) == expected, "\(cursor) as \(format)")
                #expect(written.through == 9)
            }
        }
    }

    @Test("More writes than an audience keeps for a pass are each what they should be")
    func deliveries() throws {
        let audience = Audience(try filter("a"))
        let messages = try self.messages(1...6)
        var recent = RecentBatches(floor: 0, bytesMax: 100_000)
        for message in messages {
            let sequence = recent.append(CommittedBatch([message]))
            audience.add(.init(id: message.id, sequence: sequence, index: 0))
        }
        audience.beginPass(firstSequence: recent.firstSequence)
        for cursor in [0, 3, 0, 5, 3] as [Int64] {
            for format in manyFormats {
                let delivery = audience.delivery(
                    after: cursor,
                    format: format,
                    bytesMax: 100_000,
                    recent: &recent,
                    encoder: self.encoder
                )
                guard case .frames(let frames, let through) = delivery else {
                    Issue.record("nothing after \(cursor) as \(format)")
                    continue
                }
                let transport = FormatTransport(format)
                _ = transport.write(frames)
                #expect(transport.content == transport.expected(Array(messages[Int(cursor)...])))
                #expect(!transport.isBroken)
                #expect(through == 6)
            }
        }
    }

    @Test("Live subscribers of one audience get the same, each in its format")
    func live() throws {
        let fixture = LoopFixture()
        let transports = (manyFormats + manyFormats.reversed()).map { FormatTransport($0) }
        let held = try transports.map {
            fixture.fanout.subscribe(
                to: try filter("a"),
                from: .live,
                tellsCaughtUp: false,
                transport: $0
            )
        }
        #expect(transports.allSatisfy { $0.content == Array("!".utf8) })
        for start in [Int64(1), 11, 21] {
            for transport in transports { transport.forget() }
            let messages = try self.messages(start...start + 9)
            try self.announce(messages, fixture)
            fixture.run()
            for transport in transports {
                #expect(transport.content == transport.expected(messages), "\(transport.format)")
                #expect(transport.writeCount == 1, "one write for all")
                #expect(!transport.isBroken)
            }
        }
        #expect(held.allSatisfy { $0.isLive })
    }

    @Test("Pages are the same in each format, from memory and from the log", arguments: [1, 9_000])
    func pages(recentBytesMax: Int) throws {
        var limits = Limits()
        limits.recentBytesMax = recentBytesMax
        limits.pageMessagesMax = 3
        limits.writeBytesMax = 900
        let fixture = LoopFixture(limits)
        let messages = try self.messages(1...10)
        try self.announce(messages, fixture)
        for start in [StartPosition.after(0), .after(4), .tail(6)] {
            let transports = manyFormats.map { FormatTransport($0) }
            let held = try transports.map {
                fixture.fanout.subscribe(
                    to: try filter("*"),
                    from: start,
                    tellsCaughtUp: false,
                    transport: $0
                )
            }
            fixture.runReading()
            let selected = start == .after(0) ? messages : Array(messages[4...])
            for transport in transports {
                let expected = Array("!".utf8) + transport.expected(selected)
                #expect(transport.content == expected, "\(start) as \(transport.format)")
                #expect(!transport.isBroken)
            }
            for subscription in held { fixture.fanout.close(subscription) }
        }
    }

    @Test("Whoever fills and drains, everybody gets everything in its own format")
    func walk() throws {
        for seed in Seed.several(6) {
            var random = seed.generator
            var limits = Limits()
            limits.recentBytesMax = random.int(1...4_000)
            limits.writeBytesMax = random.int(1...2_000)
            limits.pageMessagesMax = random.int(1...6)
            limits.sliceSubscribersMax = random.int(1...9)
            limits.sliceMicrosecondsMax = 0
            let fixture = LoopFixture(limits)
            let transports = manyFormats.map { FormatTransport($0) }
            let held = try transports.map {
                fixture.fanout.subscribe(
                    to: try filter("a"),
                    from: .after(0),
                    tellsCaughtUp: false,
                    transport: $0
                )
            }
            let messages = try self.messages(1...80)
            for message in messages {
                try self.announce([message], fixture)
                let index = random.int(0...transports.count - 1)
                transports[index].isFull.toggle()
                if !transports[index].isFull { fixture.fanout.socketDrained(held[index]) }
                if random.oneIn(2) { fixture.run() }
                if random.oneIn(4) { fixture.runReading() }
            }
            for (transport, subscription) in zip(transports, held) {
                transport.isFull = false
                fixture.fanout.socketDrained(subscription)
            }
            fixture.runReading()
            for transport in transports {
                let isRight = transport.content == Array("!".utf8) + transport.expected(messages)
                #expect(isRight && !transport.isBroken, "\(transport.format), \(seed)")
            }
        }
    }
}
