import NIOCore
import NIOEmbedded
import Testing
import TickertapeCore
import TickertapeTestSupport

@testable import TickertapeServer

struct ConnectionHandlerTests {
    @Test("A publish is answered after its commit, with its id and where it is")
    func publish() throws {
        let fixture = try ConnectionFixture()
        try fixture.send(post("/topics/a%20b/%C3%A9/messages", "data"))
        fixture.loop.run()
        #expect(try fixture.answers().isEmpty, "it is not durable yet")
        fixture.run()
        let answer = try #require(try fixture.answers().first)
        #expect(answer.status == 201)
        #expect(answer.body == #"{"id":1,"topic":"a b/é"}"#)
        #expect(answer.fields["location"] == "/topics/a%20b/%C3%A9/messages/1")
        #expect(answer.fields["content-type"] == "application/json")
        #expect(!answer.isLast)
    }

    @Test("Pipelined requests are answered in their order, and reads see the publishes before")
    func pipelined() throws {
        let fixture = try ConnectionFixture()
        let requests = [
            post("/topics/a/messages", "one"), get("/topics/a/messages"),
            post("/topics/a/messages", "two"), post("/topics/a*/messages", "three"),
            get("/topics/a/messages/2"), get("/healthz"), post("/topics/b/messages", "four"),
            get("/nothing"),
        ]
        try fixture.send(requests.joined())
        fixture.run()
        let answers = try fixture.answers()
        #expect(answers.map(\.status) == [201, 200, 201, 400, 200, 200, 201, 404])
        try #require(answers.count == requests.count)
        #expect(answers[1].body.contains(#""data":"one""#))
        #expect(answers[4].body.contains(#""data":"two""#))
        #expect(answers[6].body == #"{"id":3,"topic":"b"}"#)
        #expect(!answers.contains { $0.isLast })
    }

    @Test("It does not matter where the bytes of the requests are cut")
    func cut() throws {
        let seed = Seed()
        var random = seed.generator
        let text = post("/topics/a/messages", "né") + get("/topics/a/messages") + get("/healthz")
        for _ in 0..<40 {
            let fixture = try ConnectionFixture()
            var rest = Array(text.utf8)[...]
            while !rest.isEmpty {
                let piece = rest.prefix(random.int(1...60))
                rest = rest.dropFirst(piece.count)
                try fixture.send(Array(piece))
                if random.oneIn(3) { fixture.run() }
            }
            fixture.run()
            let answers = try fixture.answers()
            #expect(answers.map(\.status) == [201, 200, 200], "\(seed)")
            #expect(answers[1].body.contains(#""data":"né""#), "\(seed)")
        }
    }

    @Test("Hundreds of publishes in one write are answered in their order")
    func manyPublishes() throws {
        let fixture = try ConnectionFixture()
        let requests = (0..<500).map { post("/topics/t/\($0)/messages", "\($0)") }
        try fixture.send(requests.joined())
        fixture.run()
        let answers = try fixture.answers()
        #expect(answers.map(\.body) == (0..<500).map { #"{"id":\#($0 + 1),"topic":"t/\#($0)"}"# })
    }

    @Test("A malformed request is answered after all before it, and ends the connection")
    func malformedBehindOthers() throws {
        let fixture = try ConnectionFixture()
        let requests = post("/topics/a/messages", "one") + get("/topics/a/messages")
        try fixture.send(requests + "nonsense\r\n\r\n")
        fixture.run()
        let answers = try fixture.answers()
        #expect(answers.map(\.status) == [201, 200, 400])
        #expect(answers.last?.isLast == true)
    }

    @Test("A malformed request alone is answered and ends the connection")
    func malformed() throws {
        let fixture = try ConnectionFixture()
        try fixture.send("nonsense\r\n\r\n")
        let answers = try fixture.answers()
        #expect(answers.map(\.status) == [400])
        #expect(answers.first?.isLast == true)
        #expect(answers.first?.body.contains(#""code":"bad_request""#) == true)
        try? fixture.send(get("/healthz"))
        fixture.run()
        #expect(try fixture.sent().isEmpty, "nothing that follows is interpreted")
    }

    @Test("HEAD has the header of GET and no body")
    func heads() throws {
        let fixture = try ConnectionFixture()
        try fixture.send(get("/healthz"))
        let whole = try #require(try fixture.answers().first)
        try fixture.send("HEAD /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        let text = try fixture.sent()
        #expect(text.hasSuffix("\r\n\r\n"))
        #expect(text.contains("Content-Length: \(whole.body.utf8.count)\r\n"))
    }

    @Test("Connection: close ends the connection after the answer")
    func closing() throws {
        let fixture = try ConnectionFixture()
        try fixture.send(get("/healthz", "Connection: close") + get("/healthz"))
        fixture.run()
        let answers = try fixture.answers()
        #expect(answers.map(\.isLast) == [true])
    }

    @Test("A peer that closes its side is still answered")
    func halfClosed() throws {
        let fixture = try ConnectionFixture()
        try fixture.send(post("/topics/a/messages", "one") + get("/topics/a/messages"))
        fixture.channel.pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
        fixture.run()
        #expect(try fixture.answers().map(\.status) == [201, 200])
        #expect(!fixture.channel.isActive)
    }

    @Test("100 Continue comes before the body and not out of order")
    func expectations() throws {
        let fixture = try ConnectionFixture()
        let publish = post("/topics/a/messages", "data", "Expect: 100-continue")
        try fixture.send(String(publish.dropLast(4)))
        #expect(try fixture.sent() == "HTTP/1.1 100 Continue\r\n\r\n")
        try fixture.send("data")
        fixture.run()
        #expect(try fixture.answers().map(\.status) == [201])
        try fixture.send(publish)
        try fixture.send(publish)
        fixture.run()
        #expect(try fixture.sent().ranges(of: " 100 Continue").count == 1)
    }

    @Test("While the reader takes no answers, nothing more is done for it")
    func slowReader() throws {
        let fixture = try ConnectionFixture()
        fixture.channel.isWritable = false
        try fixture.send(post("/topics/a/messages", "one") + get("/healthz"))
        fixture.run()
        #expect(fixture.log.head == 0)
        #expect(try fixture.sent().isEmpty)
        fixture.channel.isWritable = true
        fixture.channel.pipeline.fireChannelWritabilityChanged()
        fixture.run()
        #expect(try fixture.answers().map(\.status) == [201, 200])
    }

    @Test("A full queue, a failing log: the publish is told, the connection goes on")
    func refusals() throws {
        var limits = Limits()
        limits.queueMessagesMax = 1
        let fixture = try ConnectionFixture(limits)
        let publish = post("/topics/a/messages", "x")
        try fixture.send(publish + publish)
        fixture.run()
        let answers = try fixture.answers()
        #expect(answers.map(\.status) == [201, 503])
        #expect(answers.last?.body.contains("queue_full") == true)
        #expect(answers.last?.fields["retry-after"] == "1")
        fixture.log.setFailing(true)
        try fixture.send(publish + get("/topics/a/messages") + get("/healthz"))
        fixture.run()
        let failures = try fixture.answers()
        #expect(failures.map(\.status) == [503, 503, 503])
        #expect(failures.allSatisfy { $0.body.contains("log_unavailable") })
        #expect(failures.allSatisfy { $0.fields["retry-after"] != nil })
        fixture.log.setFailing(false)
        try fixture.send(publish + get("/healthz"))
        fixture.run()
        #expect(try fixture.answers().map(\.status) == [201, 200])
    }
}
