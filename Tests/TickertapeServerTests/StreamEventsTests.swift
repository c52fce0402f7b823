import NIOCore
import NIOEmbedded
import NIOHTTP2
import Testing
import TickertapeBroker
import TickertapeCore
import TickertapeTestSupport

@testable import TickertapeServer

struct StreamEventsTests {
    private func following(_ limits: Limits = Limits()) throws -> StreamFixture {
        let fixture = try StreamFixture(limits)
        try fixture.send("GET", "/topics/a/events")
        return fixture
    }

    @Test("An event stream is DATA, as its messages come")
    func events() throws {
        let fixture = try self.following()
        let first = try fixture.sent()
        #expect(first[":status"] == "200")
        #expect(first["content-type"] == "text/event-stream")
        #expect(first.body == opening(cursor: 0))
        #expect(!first.isEnded)
        try fixture.publish("a", "x")
        fixture.run()
        #expect(try fixture.sent().body == "id: 1\ndata: x\n\n")
    }

    @Test("A stream that is full gets nothing more, and all of it when its turn comes")
    func flowControl() throws {
        let fixture = try self.following()
        _ = try fixture.sent()
        fixture.channel.isWritable = false
        for number in 0..<20 {
            try fixture.publish("a", "\(number)")
            fixture.run()
        }
        #expect(try fixture.sent().body == "id: 1\ndata: 0\n\n", "one write at most")
        fixture.channel.isWritable = true
        fixture.channel.pipeline.fireChannelWritabilityChanged()
        fixture.run()
        let expected = (1..<20).map { "id: \($0 + 1)\ndata: \($0)\n\n" }.joined()
        #expect(try fixture.sent().body == expected)
    }

    @Test("A drain ends it with a time to come back and the end of the stream")
    func drain() throws {
        let fixture = try self.following()
        _ = try fixture.sent()
        fixture.server.fanout.endAll()
        fixture.run()
        let output = try fixture.sent()
        #expect(output.body.wholeMatch(of: /retry: [1-5]\d\d\d\n\n/) != nil)
        #expect(output.isEnded && output.reset == nil)
    }

    @Test("What does not take its end is cut off after a while")
    func lingering() throws {
        let fixture = try self.following()
        _ = try fixture.sent()
        fixture.server.fanout.endAll()
        fixture.run()
        #expect(fixture.channel.isActive)
        fixture.loop.advanceTime(by: .seconds(2))
        #expect(!fixture.channel.isActive)
    }

    @Test("A client that resets its stream leaves its place to another")
    func reset() throws {
        var limits = Limits()
        limits.streamsMax = 1
        let fixture = try self.following(limits)
        #expect(!fixture.server.count.openStream(max: 1))
        fixture.channel.pipeline.fireChannelInactive()
        #expect(fixture.server.count.openStream(max: 1))
        try fixture.publish("a", "x")
        fixture.run()
    }

    @Test("Over the number of streams an EventSource is asked back at the end of a stream")
    func tooMany() throws {
        var limits = Limits()
        limits.streamsMax = 0
        let fixture = try StreamFixture(limits)
        let fields = [("host", "a"), ("accept", "text/event-stream")]
        try fixture.send("GET", "/topics/a/events", fields)
        let output = try fixture.sent()
        #expect(output[":status"] == "200")
        #expect(output.body.hasPrefix("retry: "))
        #expect(output.isEnded)
        let other = try StreamFixture(limits)
        try other.send("GET", "/topics/a/events")
        #expect(try other.sent()[":status"] == "503")
    }

    @Test("An address list of nothing but deleted topics is answered 204 without a body")
    func noContent() throws {
        let fixture = try StreamFixture()
        try fixture.publish("a", "x")
        fixture.run()
        #expect(fixture.log.delete(try TopicName("a")))
        try fixture.send("GET", "/topics/a/events")
        fixture.run()
        let output = try fixture.sent()
        #expect(output[":status"] == "204")
        #expect(output.isEnded && output.pieces.isEmpty)
    }
}
