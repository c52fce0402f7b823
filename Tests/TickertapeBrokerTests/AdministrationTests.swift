import NIOCore
import Testing
import TickertapeCore
import TickertapeLog
import TickertapeTestSupport
import TickertapeWire

@testable import TickertapeBroker

/// What operators see of the subscriptions of a loop.
struct AdministrationTests {
    private func listed(_ fixture: LoopFixture) throws -> [ListedSubscription] {
        let future = fixture.fanout.listSubscribers()
        fixture.run()
        return try future.wait().sorted { $0.number < $1.number }
    }

    private func taken(_ fixture: LoopFixture) throws -> LoopTaken {
        let future = fixture.fanout.takeStatistics()
        fixture.run()
        return try future.wait()
    }

    @Test("Each subscription is listed with its number, its state and what it has passed")
    func list() throws {
        let fixture = LoopFixture()
        for _ in 0..<3 { try fixture.announce(("a", "x"), ("b", "y")) }
        let rooms = WireFormat.webSocket(subscription: SubscriptionName("rooms"), windowBits: nil)
        let (live, socket) = (RecordingTransport(), FormatTransport(rooms))
        let (tail, full) = (RecordingTransport(), RecordingTransport())
        full.isFull = true
        let filter = try filter("a")
        let held = [
            try fixture.subscribe(live, to: "a", from: .live),
            fixture.fanout.subscribe(
                to: filter,
                from: .after(2),
                tellsCaughtUp: false,
                transport: socket
            ),
            try fixture.subscribe(tail, to: "a", from: .tail(1)),
            try fixture.subscribe(full, to: "**", from: .live),
        ]
        let entries = try self.listed(fixture)
        #expect(entries.map(\.number) == [1, 2, 3, 4])
        #expect(entries.map(\.state) == [.live, .reading, .starting, .full])
        #expect(entries.map(\.cursor) == [6, 2, nil, 6])
        #expect(entries.map(\.format.transport.rawValue).filter { $0 == "websocket" }.count == 1)
        #expect(entries.map { SubscriberEntry($0).name } == [nil, "rooms", nil, nil])
        #expect(entries.map(\.filter.patterns.first?.text) == ["a", "a", "a", "**"])
        #expect(entries.allSatisfy { $0.openedMilliseconds > 1_600_000_000_000 })
        #expect(held.map(\.number) == [1, 2, 3, 4])
    }

    @Test("A live subscription is not behind for messages that it does not select")
    func passed() throws {
        var limits = Limits()
        limits.sliceSubscribersMax = 1
        limits.sliceMicrosecondsMax = 0
        let fixture = LoopFixture(limits)
        let transports = (0..<2).map { _ in RecordingTransport() }
        let held = try transports.map { try fixture.subscribe($0, to: "a", from: .live) }
        for _ in 0..<3 { try fixture.announce(("b", "y")) }
        fixture.turn()
        #expect(try self.listed(fixture).map(\.cursor) == [3, 3])
        // One of the two has got it, the other is still to be served.
        try fixture.announce(("a", "x"))
        try fixture.announce(("b", "y"))
        fixture.turn()
        let before = fixture.fanout.listSubscribers()
        #expect(Set(try before.wait().map(\.cursor)) == [3, 5])
        fixture.run()
        #expect(try self.listed(fixture).map(\.cursor) == [5, 5])
        #expect(held.count == 2)
    }

    @Test("Very many are listed in slices, each once, whoever comes and goes meanwhile")
    func slices() throws {
        let fixture = LoopFixture()
        let transports = (0..<1_500).map { _ in RecordingTransport() }
        var held = try transports.map { try fixture.subscribe($0, to: "a", from: .live) }
        let future = fixture.fanout.listSubscribers()
        #expect(fixture.fanout.wheel.subscriptions.joined().count == 1_500)
        for subscription in held[1_000...] { fixture.fanout.close(subscription) }
        held += try transports[..<10].map { try fixture.subscribe($0, to: "a", from: .live) }
        fixture.passHeartbeatInterval()
        fixture.run()
        let numbers = try future.wait().map(\.number).sorted()
        #expect(Array(numbers.prefix(1_000)) == Array(1...1_000))
        #expect(Set(numbers).count == numbers.count)
        let filters = fixture.fanout.listFilters()
        fixture.run()
        #expect(try filters.wait().count == 1_010)
    }

    @Test("One that is disconnected is told to come back, and the others are not")
    func disconnect() throws {
        let fixture = LoopFixture()
        let transports = (0..<300).map { _ in RecordingTransport() }
        let held = try transports.map { try fixture.subscribe($0, to: "a", from: .live) }
        let isDone = fixture.fanout.disconnect(subscriber: 280)
        fixture.run()
        #expect(try isDone.wait())
        #expect(transports.map(\.endings.count).reduce(0, +) == 1)
        #expect(transports[279].endings == [.disconnected])
        fixture.fanout.close(held[279])
        let again = fixture.fanout.disconnect(subscriber: 280)
        fixture.run()
        #expect(try !again.wait())
    }

    @Test("Counters say what was written by topic, what was read, and who is furthest behind")
    func statistics() throws {
        let fixture = LoopFixture()
        let (a, b) = (try TopicName("a"), try TopicName("b"))
        let (both, one, full) = (
            RecordingTransport(), RecordingTransport(), RecordingTransport()
        )
        full.isFull = true
        let held = [
            try fixture.subscribe(both, to: "*", from: .live),
            try fixture.subscribe(one, to: "a", from: .live),
            try fixture.subscribe(full, to: "a", from: .live),
        ]
        try fixture.announce(("a", "12345"), ("b", "é"), ("a", ""))
        fixture.run()
        var taken = try self.taken(fixture)
        #expect(taken.statistics.out == .init(messages: 5, bytes: 12))
        #expect(
            taken.statistics.outByTopic
                == [a: .init(messages: 4, bytes: 10), b: .init(messages: 1, bytes: 2)]
        )
        #expect(taken.statistics.subscribers == [.eventStream: 3, .webSocket: 0])
        #expect(taken.statistics.behind == 1)
        #expect(taken.slowest?.number == 3)
        #expect(taken.slowest?.cursor == 0)
        // What the third reads when its socket drains comes from memory.
        full.isFull = false
        fixture.fanout.socketDrained(held[2])
        fixture.run()
        taken = try self.taken(fixture)
        #expect(taken.statistics.out == .init(messages: 7, bytes: 17))
        #expect(taken.statistics.outByTopic == [a: .init(messages: 2, bytes: 5)])
        #expect(taken.statistics.pagesFromMemory == 1)
        #expect(taken.statistics.behind == 0)
        #expect(taken.slowest == nil)
        // And from the log what memory no longer has.
        let late = RecordingTransport()
        fixture.fanout.recent.forget(through: 2)
        let reader = try fixture.subscribe(late, to: "b", from: .after(0))
        fixture.runReading()
        taken = try self.taken(fixture)
        #expect(taken.statistics.outByTopic == [b: .init(messages: 1, bytes: 2)])
        #expect(taken.statistics.pagesFromLog == 1)
        for subscription in held + [reader] { fixture.fanout.close(subscription) }
        taken = try self.taken(fixture)
        #expect(taken.statistics.subscribers == [.eventStream: 0, .webSocket: 0])
        #expect(taken.statistics.out == .init(messages: 8, bytes: 19))
    }

    @Test("The delay of a loop is the longest since it was last asked")
    func delay() throws {
        let fixture = LoopFixture()
        for milliseconds in [5, 40, -3] {
            fixture.fanout.noteDelay(.milliseconds(Int64(milliseconds)))
        }
        #expect(try self.taken(fixture).statistics.delaySecondsMax == 0.04)
        #expect(try self.taken(fixture).statistics.delaySecondsMax == 0)
    }
}
