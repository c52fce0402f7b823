import NIOCore
import NIOEmbedded
import Testing
import TickertapeCore
import TickertapeTestSupport

@testable import TickertapeServer

/// Streaming publishes over HTTP/1.
struct PublishStreamTests {
    static let head = """
        HTTP/1.1 200 OK\r
        Content-Type: application/x-ndjson\r
        Cache-Control: no-store, no-transform\r
        X-Accel-Buffering: no\r
        Transfer-Encoding: chunked\r
        \r

        """

    private func start(
        _ target: String = "/topics/a/messages",
        _ fields: String...,
        type: String = "application/x-ndjson",
        method: String = "POST"
    ) -> String {
        "\(method) \(target) HTTP/1.1\r\nHost: a\r\nContent-Type: \(type)\r\n"
            + "Transfer-Encoding: chunked\r\n\(fields.map { $0 + "\r\n" }.joined())\r\n"
    }

    private func chunk(_ text: String) -> String {
        "\(String(text.utf8.count, radix: 16))\r\n\(text)\r\n"
    }

    private func lines(_ data: String...) -> String {
        self.chunk(data.map { #"{"data":"\#($0)"}"# + "\n" }.joined())
    }

    /// The content of what was sent, and whether its end was.
    private func answer(_ fixture: ConnectionFixture) throws -> (text: String, isEnded: Bool) {
        let sent = try fixture.sent()
        let body = sent.split(separator: "\r\n\r\n", maxSplits: 1, omittingEmptySubsequences: false)
        let framed = sent.hasPrefix("HTTP/") ? String(body[1]) : sent
        let (content, isEnded) = try dechunked(Array(framed.utf8))
        return (String(decoding: content, as: UTF8.self), isEnded)
    }

    @Test("The head comes at once, and the answers as the messages are committed")
    func inStep() throws {
        let fixture = try ConnectionFixture()
        try fixture.send(self.start())
        let head = try fixture.sent()
        #expect(head.replacing(/Date: [^\r]*\r\n/, with: "") == Self.head)
        try fixture.send(self.lines("one", "two"))
        #expect(try fixture.sent().isEmpty, "nothing is durable yet")
        fixture.run()
        #expect(
            try self.answer(fixture) == ("{\"line\":1,\"id\":1}\n{\"line\":2,\"id\":2}\n", false)
        )
        try fixture.send(self.lines("three"))
        fixture.run()
        #expect(try self.answer(fixture) == ("{\"line\":3,\"id\":3}\n", false))
        try fixture.send("0\r\n\r\n" + get("/topics/a/messages"))
        fixture.run()
        let rest = try fixture.sent()
        #expect(rest.hasPrefix("0\r\n\r\nHTTP/1.1 200 OK\r\n"), "the connection lives on")
        #expect(rest.contains(#""data":"three""#))
        #expect(fixture.log.messages.map(\.data) == ["one", "two", "three"])
    }

    @Test("However a body is cut, the messages are the same, in both formats")
    func pieces() throws {
        let seed = Seed()
        var random = seed.generator
        let data = (0..<40).map { "zwölf \($0) €𝄞" }
        let bodies = [
            ("application/x-ndjson", data.map { #"{"data":"\#($0)"}"# + "\r\n" }.joined()),
            ("text/event-stream", data.map { "event: e\r\ndata: \($0)\r\n\r\n" }.joined()),
        ]
        for (type, body) in bodies {
            for _ in 0..<8 {
                let fixture = try ConnectionFixture()
                try fixture.send(self.start(type: type, method: random.pick(["POST", "PUT"])))
                var rest = Array(body.utf8)[...]
                while !rest.isEmpty {
                    let piece = rest.prefix(random.int(1...60))
                    rest = rest.dropFirst(piece.count)
                    try fixture.send(
                        Array("\(String(piece.count, radix: 16))\r\n".utf8) + piece + [13, 10]
                    )
                    if random.oneIn(5) { fixture.run() }
                }
                try fixture.send("0\r\n\r\n")
                fixture.run()
                #expect(fixture.log.messages.map(\.data) == data, "\(seed)")
                let answer = try self.answer(fixture)
                #expect(answer.isEnded)
                #expect(answer.text.split(separator: "\n").count == data.count, "\(seed)")
            }
        }
    }

    @Test("The first line that is none ends the answer; those before it are stored")
    func badLine() throws {
        let fixture = try ConnectionFixture()
        try fixture.send(self.start() + self.lines("one") + self.chunk("nonsense\n"))
        try fixture.send(self.lines("three"))
        fixture.run()
        let answer = try self.answer(fixture)
        #expect(answer.isEnded)
        let lines = answer.text.split(separator: "\n")
        #expect(lines.first == #"{"line":1,"id":1}"#)
        #expect(lines.count == 2)
        #expect(lines.last?.hasPrefix(#"{"error":{"status":400,"code":"invalid_body""#) == true)
        #expect(lines.last?.hasSuffix(#","line":2}}"#) == true)
        #expect(fixture.log.messages.map(\.data) == ["one"])
        try? fixture.send(get("/healthz"))
        fixture.run()
        #expect(try fixture.sent().isEmpty, "the connection ends")
    }

    @Test("An event that is not closed is not stored, and told")
    func incomplete() throws {
        let fixture = try ConnectionFixture()
        try fixture.send(self.start(type: "text/event-stream"))
        try fixture.send(self.chunk("data: one\n\ndata: two\n") + "0\r\n\r\n" + get("/healthz"))
        fixture.run()
        let text = try fixture.sent()
        #expect(text.contains(#""code":"incomplete_event""#))
        #expect(text.contains(#""line":2}}"#))
        #expect(text.contains(#"{"status":"ok"}"#), "the body had come to its end")
        #expect(fixture.log.messages.map(\.data) == ["one"])
    }

    @Test("Keys make a stream repeatable: of the request with numbers, or of lines")
    func keys() throws {
        let fixture = try ConnectionFixture()
        let own = self.chunk(#"{"data":"own","idempotency_key":"o"}"# + "\n")
        for isAgain in [false, true] {
            try fixture.send(self.start("/topics/a/messages", "Idempotency-Key: k"))
            try fixture.send(self.lines("one", "two") + own + "0\r\n\r\n")
            fixture.run()
            let mark = isAgain ? #","repeated":true"# : ""
            let expected = (1...3).map { #"{"line":\#($0),"id":\#($0)\#(mark)}"# + "\n" }.joined()
            #expect(try self.answer(fixture) == (expected, true))
        }
        #expect(fixture.log.messages.count == 3)
    }

    @Test("A full write queue is waited for")
    func fullQueue() throws {
        var limits = Limits()
        limits.queueMessagesMax = 2
        let fixture = try ConnectionFixture(limits)
        try fixture.send(self.start() + self.lines("1", "2", "3", "4", "5", "6", "7") + "0\r\n\r\n")
        for _ in 0..<20 { fixture.run() }
        #expect(fixture.log.messages.map(\.data) == ["1", "2", "3", "4", "5", "6", "7"])
        #expect(try self.answer(fixture).isEnded)
    }

    @Test("A rate is waited for, and nothing is refused")
    func rate() throws {
        var limits = Limits()
        limits.clientPublishesPerSecond = 2
        let fixture = try ConnectionFixture(limits)
        try fixture.send(self.start() + self.lines("1", "2", "3"))
        fixture.run()
        #expect(fixture.log.messages.count == 2)
        #expect(!(try fixture.sent().contains("error")))
    }

    @Test("No more is read than may wait for an answer")
    func bounds() throws {
        var limits = Limits()
        limits.streamedMessagesMax = 3
        let fixture = try ConnectionFixture(limits)
        try fixture.send(self.start())
        for number in 0..<10 { try fixture.send(self.lines("\(number)")) }
        fixture.loop.run()
        #expect(fixture.log.submissionCount == 1)
        fixture.log.commitAndAnnounce()
        #expect(fixture.log.messages.count == 3)
        fixture.run()
        #expect(fixture.log.messages.count == 10)
    }

    @Test("A client that takes no answers is served until they are too many")
    func slowReader() throws {
        var limits = Limits()
        limits.streamedAnswerBytesMax = 1
        let fixture = try ConnectionFixture(limits)
        try fixture.send(self.start())
        _ = try fixture.sent()
        fixture.channel.isWritable = false
        fixture.channel.pipeline.fireChannelWritabilityChanged()
        for number in 0..<10 {
            try fixture.send(self.lines("\(number)"))
            fixture.run()
        }
        #expect(fixture.log.messages.count == 1)
        #expect(try fixture.sent().isEmpty)
        fixture.channel.isWritable = true
        fixture.channel.pipeline.fireChannelWritabilityChanged()
        fixture.run()
        #expect(fixture.log.messages.count == 10)
        #expect(try self.answer(fixture).text.split(separator: "\n").count == 10)
    }

    @Test("A client that sends nothing for too long is told so")
    func idle() throws {
        var limits = Limits()
        limits.streamedIdleSeconds = 100
        let fixture = try ConnectionFixture(limits)
        try fixture.send(self.start())
        fixture.pass(seconds: 90)
        try fixture.send(self.lines("one"))
        fixture.run()
        fixture.pass(seconds: 90)
        #expect(!(try fixture.sent().contains("error")))
        fixture.pass(seconds: 20)
        #expect(try fixture.sent().contains(#"{"error":{"status":408,"code":"request_timeout""#))
    }

    @Test("A broker that stops answers what came, and says that it stops")
    func drain() throws {
        let fixture = try ConnectionFixture()
        try fixture.send(self.start() + self.lines("one"))
        fixture.server.drain()
        fixture.run()
        let answer = try self.answer(fixture)
        #expect(answer.text.hasPrefix("{\"line\":1,\"id\":1}\n{\"error\":{\"status\":503,"))
        #expect(answer.text.contains(#""code":"draining""#))
        #expect(answer.isEnded)
        try? fixture.send(self.lines("two"))
        fixture.run()
        #expect(fixture.log.messages.count == 1)
    }

    @Test("A body that breaks off keeps what was whole")
    func cut() throws {
        let fixture = try ConnectionFixture()
        try fixture.send(self.start() + self.lines("one") + "20\r\n{\"data\":\"tw")
        fixture.channel.pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
        fixture.run()
        #expect(fixture.log.messages.map(\.data) == ["one"])
        #expect(try fixture.sent().contains(#""code":"bad_request""#))
        #expect(!fixture.channel.isActive)
    }

    @Test("It waits for its turn, and says that the body may come")
    func turn() throws {
        let fixture = try ConnectionFixture()
        let publish = post("/topics/a/messages", "first")
        try fixture.send(publish + self.start("/topics/a/messages", "Expect: 100-continue"))
        #expect(try fixture.sent().isEmpty)
        fixture.run()
        let sent = try fixture.sent()
        #expect(sent.hasPrefix("HTTP/1.1 201 "))
        #expect(sent.contains("}HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n"))
        try fixture.send(self.lines("second") + "0\r\n\r\n")
        fixture.run()
        #expect(fixture.log.messages.map(\.data) == ["first", "second"])
    }

    @Test("Lines with topics go where they say, as far as it is granted")
    func topics() throws {
        let admission = AdmissionFixture.authorized
        let token = try admission.makeToken(publish: ["a/*"])
        let fixture = try ConnectionFixture(Limits(), Features(), admission)
        try fixture.send(self.start("/messages", "Authorization: Bearer \(token)"))
        let lines = ["a/1", "a/2", "b/1"].map { #"{"topic":"\#($0)","data":"x"}"# + "\n" }
        try fixture.send(self.chunk(lines.joined()))
        fixture.run()
        let answer = try self.answer(fixture)
        #expect(answer.text.hasPrefix(#"{"line":1,"id":1,"topic":"a/1"}"#))
        #expect(answer.text.contains(#""code":"forbidden""#))
        #expect(fixture.log.messages.map(\.topic.text) == ["a/1", "a/2"])
    }

    @Test("A credential that is revoked ends it")
    func revoked() throws {
        let admission = AdmissionFixture.authorized
        let token = try admission.makeToken(publish: ["**"])
        let fixture = try ConnectionFixture(Limits(), Features(), admission)
        try fixture.send(self.start("/topics/a/messages", "Authorization: Bearer \(token)"))
        try fixture.send(self.lines("one"))
        fixture.run()
        admission.revoke(1)
        fixture.pass(seconds: 1)
        #expect(try fixture.sent().contains(#"{"error":{"status":401,"code":"unauthorized""#))
    }
}
