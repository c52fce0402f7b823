import NIOCore
import NIOEmbedded
import Testing
import TickertapeBroker
import TickertapeCore
import TickertapeTestSupport

@testable import TickertapeServer

struct EventStreamHandlerTests {
    /// The head of a stream and what came of its body, without the framing.
    private func stream(_ text: String) throws -> (head: String, body: String, isEnded: Bool) {
        let end = try #require(text.firstRange(of: "\r\n\r\n"), "\(text)")
        let rest = Array(text[end.upperBound...].utf8)
        let (content, isEnded) = try dechunked(rest)
        let body = String(decoding: content, as: UTF8.self)
        return (String(text[..<end.lowerBound]), body, isEnded)
    }

    @Test("A request becomes a stream: header, opening, then messages as they come")
    func upgrade() throws {
        let fixture = try ConnectionFixture()
        try fixture.send(get("/topics/a/events"))
        let (head, body, isEnded) = try self.stream(try fixture.sent())
        #expect(head.hasPrefix("HTTP/1.1 200 OK\r\n"))
        for field in [
            "Content-Type: text/event-stream", "Cache-Control: no-store, no-transform",
            "X-Accel-Buffering: no", "Transfer-Encoding: chunked",
        ] {
            #expect((head + "\r\n").contains("\r\n\(field)\r\n"))
        }
        #expect(body == opening(cursor: 0))
        #expect(!isEnded)
        try fixture.publish("a", "x\ny")
        try fixture.publish("b", "z")
        fixture.run()
        let chunks = try dechunked(Array(try fixture.sent().utf8))
        #expect(String(decoding: chunks.content, as: UTF8.self) == "id: 1\ndata: x\ndata: y\n\n")
    }

    @Test("To HTTP/1.0 the stream is not chunked")
    func oldVersion() throws {
        let fixture = try ConnectionFixture()
        try fixture.send("GET /topics/a/events?after=0 HTTP/1.0\r\n\r\n")
        try fixture.publish("a", "x")
        fixture.run()
        let text = try fixture.sent()
        #expect(!text.contains("chunked"))
        #expect(text.contains("\r\nConnection: close\r\n"))
        #expect(text.hasSuffix("\r\n\r\n" + opening() + "id: 1\ndata: x\n\n"))
    }

    @Test("Requests before it on its connection are answered first, what follows is dropped")
    func pipelined() throws {
        let fixture = try ConnectionFixture()
        let requests = [
            post("/topics/a/messages", "one"), get("/topics/a/events?after=0"), get("/healthz"),
        ]
        try fixture.send(requests.joined())
        fixture.run()
        let text = try fixture.sent()
        let second = try #require(text.ranges(of: "HTTP/1.1 ").last)
        #expect(text.ranges(of: "HTTP/1.1 ").count == 2)
        #expect(try Answer.all(in: String(text[..<second.lowerBound])).map(\.status) == [201])
        let body = try self.stream(String(text[second.lowerBound...])).body
        #expect(body == opening() + "id: 1\ndata: one\n\n")
        try fixture.send(post("/topics/a/messages", "dropped"))
        fixture.run()
        #expect(fixture.log.head == 1)
        #expect(fixture.channel.isActive)
    }

    @Test("Over the number of streams an EventSource is asked back, others get a problem")
    func tooMany() throws {
        var limits = Limits()
        limits.streamsMax = 0
        let source = try ConnectionFixture(limits)
        try source.send(get("/topics/a/events", "Accept: text/event-stream"))
        let (head, body, isEnded) = try self.stream(try source.sent())
        #expect(head.hasPrefix("HTTP/1.1 200 OK\r\n"))
        #expect(isEnded)
        let words = body.split(separator: " ", maxSplits: 1)
        #expect(words.first == "retry:")
        let milliseconds = try #require(Int(words[1].dropLast(2)), "\(body)")
        #expect((5_000...15_000).contains(milliseconds))
        let other = try ConnectionFixture(limits)
        try other.send(get("/topics/a/events"))
        let answer = try #require(try other.answers().first)
        #expect(answer.status == 503)
        #expect(answer.body.contains(#""code":"too_many_streams""#))
        #expect(answer.fields["retry-after"] != nil)
    }

    @Test("A stream that ends makes room for another")
    func closing() throws {
        var limits = Limits()
        limits.streamsMax = 1
        let fixture = try ConnectionFixture(limits)
        try fixture.send(get("/topics/a/events"))
        #expect(!fixture.server.count.openStream(max: 1))
        fixture.channel.pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
        fixture.run()
        #expect(!fixture.channel.isActive)
        #expect(fixture.server.count.openStream(max: 1))
    }

    @Test("When the broker stops a stream ends with a time to come back")
    func draining() throws {
        let fixture = try ConnectionFixture()
        try fixture.send(get("/topics/a/events"))
        _ = try fixture.sent()
        fixture.server.fanout.endAll()
        fixture.run()
        let (content, isEnded) = try dechunked(Array(try fixture.sent().utf8))
        #expect(isEnded)
        #expect(
            String(decoding: content, as: UTF8.self).wholeMatch(of: /retry: [1-5]\d\d\d\n\n/) != nil
        )
        #expect(!fixture.channel.isActive)
    }

    @Test("A reader that does not read is left alone until it does")
    func slowReader() throws {
        let fixture = try ConnectionFixture()
        try fixture.send(get("/topics/a/events?after=0"))
        _ = try fixture.sent()
        fixture.channel.isWritable = false
        for number in 0..<20 {
            try fixture.publish("a", "\(number)")
            fixture.run()
        }
        let first = try dechunked(Array(try fixture.sent().utf8)).content
        #expect(String(decoding: first, as: UTF8.self) == "id: 1\ndata: 0\n\n", "one write at most")
        fixture.channel.isWritable = true
        fixture.channel.pipeline.fireChannelWritabilityChanged()
        fixture.run()
        let rest = try dechunked(Array(try fixture.sent().utf8)).content
        let expected = (1..<20).map { "id: \($0 + 1)\ndata: \($0)\n\n" }.joined()
        #expect(String(decoding: rest, as: UTF8.self) == expected)
    }

    @Test("A stream whose topics are deleted is told so, and its connection ends")
    func deleted() throws {
        let fixture = try ConnectionFixture()
        try fixture.send(get("/events?topic=a&topic=b"))
        _ = try fixture.sent()
        for topic in ["a", "b"] {
            try fixture.publish(topic, "x")
            fixture.run()
        }
        _ = try fixture.sent()
        #expect(fixture.log.delete(try TopicName("a")))
        fixture.run()
        #expect(try fixture.sent() == "")
        #expect(fixture.log.delete(try TopicName("b")))
        fixture.run()
        let (content, isEnded) = try dechunked(Array(try fixture.sent().utf8))
        #expect(isEnded)
        #expect(
            String(decoding: content, as: UTF8.self)
                == "event: tickertape.end\ndata: {\"topic\":\"b\",\"reason\":\"deleted\"}\n\n"
        )
        #expect(!fixture.channel.isActive)
    }

    @Test(
        "A request for deleted topics alone is answered 204, and the connection goes on",
        arguments: [
            get("/topics/a/events"), get("/topics/a/events", "Last-Event-ID: 1"),
            get("/events?topic=a", "Accept: text/event-stream"),
            post("/events", #"{"topics":["a"]}"#, "Content-Type: application/json"),
        ]
    )
    func noContent(request: String) throws {
        var limits = Limits()
        limits.streamsMax = 0
        let fixture = try ConnectionFixture(limits)
        try fixture.publish("a", "x")
        fixture.run()
        #expect(fixture.log.delete(try TopicName("a")))
        try fixture.send(request + get("/topics/a/messages?after=0"))
        fixture.run()
        let answers = try fixture.answers()
        #expect(answers.map(\.status) == [204, 200])
        #expect(answers.first?.fields["content-length"] == nil)
        #expect(answers.first?.fields["content-type"] == nil)
        #expect(answers.first?.fields["cache-control"] == "no-store")
        let gap = #""gap":{"after":0,"resumed":1,"reason":"retention"}"#
        let end = #""end":{"topic":"a","reason":"deleted"}"#
        #expect(answers.last?.body == #"{"messages":[],"next":1,\#(gap),\#(end)}"#)
        #expect(fixture.channel.isActive)
    }

    @Test("A publish brings a deleted topic back, and streams follow it again")
    func createdAgain() throws {
        let fixture = try ConnectionFixture()
        try fixture.publish("a", "x")
        fixture.run()
        #expect(fixture.log.delete(try TopicName("a")))
        try fixture.send(post("/topics/a/messages", "new"))
        fixture.run()
        _ = try fixture.sent()
        try fixture.send(get("/topics/a/events?after=1"))
        fixture.run()
        #expect(try self.stream(try fixture.sent()).body == opening() + "id: 2\ndata: new\n\n")
    }

    @Test("A stream that an operator disconnects is asked back; one that does not read is closed")
    func disconnected() throws {
        for isRead in [true, false] {
            let fixture = try ConnectionFixture()
            let socket = try SimulatedSocket(below: fixture.channel)
            try fixture.send(get("/topics/a/events"))
            _ = socket.take()
            if !isRead { socket.stall(true) }
            let isDone = fixture.server.fanout.disconnect(subscriber: 1)
            fixture.loop.run()
            #expect(try isDone.wait())
            #expect(fixture.channel.isActive == false || !isRead)
            let text = String(decoding: try dechunked(socket.take()).content, as: UTF8.self)
            if isRead { #expect(text.wholeMatch(of: /retry: [1-5]\d\d\d\n\n/) != nil) }
            fixture.loop.advanceTime(by: .seconds(2))
            #expect(!fixture.channel.isActive)
        }
    }
}
