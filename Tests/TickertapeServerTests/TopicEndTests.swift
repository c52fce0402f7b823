import NIOCore
import NIOEmbedded
import Testing
import TickertapeCore
import TickertapeLog
import TickertapeTestSupport

@testable import TickertapeServer

/// Topics that end, as event streams and history show it.
struct TopicEndTests {
    /// Three messages of `a` and, in between, one of `b`; `a` has ended.
    private func ended(_ limits: Limits = Limits()) throws -> ConnectionFixture {
        let fixture = try ConnectionFixture(limits)
        try fixture.publish("a", "1")
        try fixture.publish("b", "2")
        try fixture.publish("a", "3")
        try fixture.publish("a", "4", end: .withMessage)
        fixture.run()
        return fixture
    }

    private let end = #"{"topic":"a","reason":"ended","last_id":4}"#
    private let historyEnd =
        #""end":{"topic":"a","reason":"ended","last_id":4,"time":"1970-01-01T00:00:00.004Z"}"#

    @Test("A live stream gets the last message, the end, and the end of its body")
    func live() throws {
        let fixture = try ConnectionFixture()
        try fixture.send(get("/topics/a/events"))
        fixture.run()
        _ = try fixture.sent()
        try fixture.publish("a", "bye", end: .withMessage)
        fixture.run()
        let (content, isEnded) = try dechunked(Array(try fixture.sent().utf8))
        #expect(isEnded)
        #expect(
            String(decoding: content, as: UTF8.self)
                == "id: 1\ndata: bye\n\nevent: tickertape.end\n"
                + "data: {\"topic\":\"a\",\"reason\":\"ended\",\"last_id\":1}\n\n"
        )
        #expect(!fixture.channel.isActive)
    }

    @Test(
        "Where nothing is to come the answer is 204",
        arguments: [
            get("/topics/a/events"), get("/topics/a/events?tail=0"),
            get("/topics/a/events?after=4"), get("/topics/a/events?after=1", "Last-Event-ID: 9"),
            post("/events", #"{"topics":["a"]}"#, "Content-Type: application/json"),
            post("/events", #"{"topics":["a"],"after":4}"#, "Content-Type: application/json"),
        ]
    )
    func noContent(request: String) throws {
        var limits = Limits()
        limits.streamsMax = 0
        let fixture = try self.ended(limits)
        try fixture.send(request)
        fixture.run()
        #expect(try fixture.answers().map(\.status) == [204])
        #expect(fixture.channel.isActive)
    }

    @Test(
        "Where something is to come it comes, and then the end",
        arguments: [
            (get("/topics/a/events?after=0"), "id: 1\ndata: 1\n\nid: 3\ndata: 3\n\n"),
            (get("/topics/a/events?tail=2"), "id: 3\ndata: 3\n\n"),
            (get("/topics/a/events?after=0", "Last-Event-ID: 3"), ""),
            (
                post("/events", #"{"topics":["a"],"after":1}"#, "Content-Type: application/json"),
                "id: 3\ndata: 3\n\n"
            ),
        ]
    )
    func replay(request: String, messages: String) throws {
        let fixture = try self.ended()
        try fixture.send(request)
        fixture.run()
        let text = try fixture.sent()
        #expect(text.hasPrefix("HTTP/1.1 200 OK\r\n"))
        let start = try #require(text.utf8.firstRange(of: Array("\r\n\r\n".utf8)))
        let (content, isEnded) = try dechunked(Array(text.utf8[start.upperBound...]))
        #expect(isEnded)
        let last = "id: 4\ndata: 4\n\nevent: tickertape.end\ndata: \(self.end)\n\n"
        #expect(String(decoding: content, as: UTF8.self) == opening() + messages + last)
        #expect(!fixture.channel.isActive)
    }

    @Test("A cursor that is none is told so first")
    func unknown() throws {
        let fixture = try self.ended()
        try fixture.send(get("/topics/a/events?after=x"))
        fixture.run()
        let text = try fixture.sent()
        #expect(text.contains("tickertape.gap"))
        #expect(text.contains("event: tickertape.end\ndata: \(self.end)\n\n"))
    }

    @Test("A slow reader has the time of a slow reader for what came before the end")
    func slowReader() throws {
        let fixture = try ConnectionFixture()
        try fixture.send(get("/topics/a/events"))
        fixture.run()
        let pipeline = fixture.channel.pipeline.syncOperations
        try pipeline.addHandler(HeldWrites(), position: .first)
        try fixture.publish("a", "bye", end: .withMessage)
        fixture.run()
        let limits = Limits()
        fixture.loop.advanceTime(by: .seconds(Int64(limits.lingerSeconds) + 1))
        #expect(fixture.channel.isActive)
        fixture.loop.advanceTime(by: .seconds(Int64(limits.requestTimeoutSeconds)))
        #expect(!fixture.channel.isActive)
    }

    @Test("Over HTTP/2 a stream ends with the block, and 204 is the same")
    func http2() throws {
        let fixture = try StreamFixture()
        try fixture.publish("a", "x")
        fixture.run()
        try fixture.send("GET", "/topics/a/events?after=0")
        fixture.run()
        #expect(try !fixture.sent().isEnded)
        #expect(fixture.log.end(try TopicName("a"), .stopped) != nil)
        fixture.run()
        let output = try fixture.sent()
        #expect(
            output.body
                == "event: tickertape.end\n"
                + "data: {\"topic\":\"a\",\"reason\":\"stopped\",\"last_id\":1}\n\n"
        )
        #expect(output.isEnded && output.reset == nil)
        let other = try StreamFixture()
        let draft = Draft.end(try TopicName("a"), reason: .stopped)
        #expect(other.log.admit(draft))
        other.log.append([draft]) { _ in }
        other.run()
        try other.send("GET", "/topics/a/events?after=0")
        other.run()
        let answer = try other.sent()
        #expect(answer[":status"] == "204")
        #expect(answer.isEnded && answer.pieces.isEmpty)
    }

    @Test("A page of history that reaches the end says so, and no other")
    func history() throws {
        let fixture = try self.ended()
        for query in ["", "?limit=3", "?after=3", "?after=3&wait=60"] {
            try fixture.send(get("/topics/a/messages\(query)"))
            fixture.run()
            let body = try #require(try fixture.answers().first?.body)
            #expect(body.hasSuffix(#"}],"next":4,\#(self.historyEnd)}"#), "\(query)")
        }
        for target in ["/topics/a/messages?limit=2", "/topics/*/messages", "/topics/b/messages"] {
            try fixture.send(get(target))
            fixture.run()
            let body = try #require(try fixture.answers().first?.body)
            #expect(!body.contains("\"end\""), "\(target)")
        }
    }

    @Test("History of what has ended does not wait")
    func noWaiting() throws {
        let fixture = try self.ended()
        try fixture.send(get("/topics/a/messages?after=4&wait=60"))
        fixture.run()
        let expected = #"{"messages":[],"next":4,\#(self.historyEnd)}"#
        #expect(try fixture.answers().map(\.body) == [expected])
    }

    @Test("A request that waits is answered when the topic ends meanwhile")
    func endedMeanwhile() throws {
        let fixture = try ConnectionFixture()
        try fixture.publish("a", "x")
        fixture.run()
        try fixture.send(get("/topics/a/messages?after=1&wait=60"))
        fixture.run()
        #expect(try fixture.sent().isEmpty)
        #expect(fixture.log.end(try TopicName("a"), .stopped) != nil)
        fixture.run()
        let end = #""end":{"topic":"a","reason":"stopped","last_id":1,"time":"#
        let body = try #require(try fixture.answers().first?.body)
        #expect(body.hasPrefix(#"{"messages":[],"next":1,\#(end)"#))
        try fixture.publish("b", "y")
        fixture.run()
        #expect(try fixture.sent().isEmpty, "answered once")
    }

    @Test("What ends while its page is read does not pass a waiting request by")
    func endedWhileReading() throws {
        let fixture = try ConnectionFixture()
        try fixture.publish("a", "x")
        fixture.run()
        try fixture.send(get("/topics/a/messages?after=1&wait=60"))
        #expect(fixture.log.answerRead(at: 0))
        try fixture.publish("a", "last", end: .withMessage)
        fixture.log.commitAndAnnounce()
        fixture.run()
        let body = try #require(try fixture.answers().first?.body)
        #expect(body.contains(#""data":"last""#))
        #expect(body.contains(#""next":2,"end":{"topic":"a","reason":"ended","last_id":2,"#))
    }
}

/// A socket whose client takes nothing.
private final class HeldWrites: ChannelOutboundHandler {
    typealias OutboundIn = ByteBuffer

    private var promises: [EventLoopPromise<Void>] = []

    func write(
        context: ChannelHandlerContext,
        data: NIOAny,
        promise: EventLoopPromise<Void>?
    ) {
        if let promise { self.promises.append(promise) }
    }

    func close(
        context: ChannelHandlerContext,
        mode: CloseMode,
        promise: EventLoopPromise<Void>?
    ) {
        for promise in self.promises { promise.fail(ChannelError.ioOnClosedChannel) }
        self.promises = []
        context.close(mode: mode, promise: promise)
    }
}
