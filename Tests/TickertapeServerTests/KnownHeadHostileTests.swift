import NIOCore
import NIOEmbedded
import Testing
import TickertapeCore
import TickertapeTestSupport

@testable import TickertapeServer

/// The shortcut may not change what a connection does, whatever comes.
struct KnownHeadHostileTests {
    private static let target = "/topics/a/messages"
    private static let known = post(target, "known")
    private static let start = "POST \(target) HTTP/1.1\r\nHost: a\r\n"
    private static let long = String(repeating: "x", count: 1_100)

    /// What happens with the shortcut, which has to be what happens without it.
    private func outcome(of acts: [Act]) throws -> Outcome {
        var limits = Limits()
        limits.messageBytesMax = 1_000
        let outcome = try Outcome(acts, try ConnectionFixture(limits))
        let plain = try ConnectionFixture(limits)
        try plain.removeShortcut()
        #expect(try Outcome(acts, plain) == outcome)
        return outcome
    }

    struct Request: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let text: String
        let statuses: [Int]
        let stored: [String]

        init(_ name: String, _ text: String, _ statuses: Int..., stored: String...) {
            self.testDescription = name
            self.text = text
            self.statuses = statuses
            self.stored = stored
        }
    }

    static let last = [
        Request("Connection: close", post(target, "1", "Connection: close"), 201, stored: "1"),
        Request("Upgrade", post(target, "1", "Upgrade: x"), 201, stored: "1"),
        Request("CONNECT", "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 404),
        Request("1.0", "POST \(target) HTTP/1.0\r\nContent-Length: 1\r\n\r\n1", 201, stored: "1"),
        Request("0.9", "POST \(target)\r\nContent-Length: 1\r\n\r\n1", 505),
        Request("two Hosts", post(target, "1", "Host: b"), 400),
        Request("two lengths", post(target, "1", "Content-Length: 1"), 400),
        Request("length, chunks", post(target, "0\r\n\r\n", "Transfer-Encoding: chunked"), 400),
        Request("2^63-1", start + "Content-Length: 9223372036854775807\r\n\r\n", 413),
        Request("2^63-2", start + "Content-Length: 9223372036854775806\r\n\r\n", 413),
        Request("a space", start + "Content-Length : 1\r\n\r\n1", 400),
        Request("a folded length", start + "Content-Length: 1\r\n 2\r\n\r\n1", 400),
        Request("a folded field", start + "X: y\r\n z\r\nContent-Length: 1\r\n\r\n1", 400),
        Request("a signed length", start + "Content-Length: +1\r\n\r\n1", 400),
        Request("a list of lengths", start + "Content-Length: 1, 1\r\n\r\n1", 400),
        Request("ten digits", start + "Content-Length: 9999999999\r\n\r\n", 413),
        Request("LF, target", known.replacing("1.1\r\n", with: "1.1\n"), 505),
        Request("LF, field", known.replacing("a\r\n", with: "a\n"), 400),
        Request("LF, length", known.replacing("5\r\n", with: "5\n"), 400),
        Request("LF, empty line", known.replacing("\r\n\r\n", with: "\r\n\n") + "\r\n\r\n", 400),
        Request("two LF", known.replacing("\r\n\r\n", with: "\n\n") + "\r\n\r\n", 400),
        Request("CR, field", known.replacing("a\r\n", with: "a\r"), 400),
        Request("CR, empty line", known.replacing("\r\n\r\n", with: "\r\n\r") + "\r\n\r\n", 400),
    ]

    @Test("Nothing behind a request that ends the connection is taken", arguments: last)
    func ending(request: Request) throws {
        let known = Act.read(Self.known)
        let outcome = try self.outcome(of: [known, known, .read(request.text), known, .run, known])
        #expect(outcome.statuses == [201, 201] + request.statuses)
        #expect(outcome.stored == ["known", "known"] + request.stored)
        #expect(outcome.sent.contains("Connection: close"))
    }

    static let others = [
        Request("zeros", start + "Content-Length: 0001\r\n\r\n1", 201, stored: "1"),
        Request("spaces", start + "Content-Length: \t1 \r\n\r\n1", 201, stored: "1"),
        Request("no body", post(target, ""), 201, stored: ""),
        Request("a request as body", post(target, known), 201, stored: known),
        Request("a body that looks like heads", post(target, "\r\n\r\n"), 201, stored: "\r\n\r\n"),
        Request(
            "chunks",
            start + "Transfer-Encoding: chunked\r\n\r\n1\r\n1\r\n0\r\n\r\n",
            201,
            stored: "1"
        ),
        Request("a like name", post(target, "12345", "X-Content-Length: 1"), 201, stored: "12345"),
        Request("too large", post(target, long), 413),
        Request("no length", start + "\r\n", 411),
        Request("a bad topic", post("/topics/a*/messages", "1"), 400),
        Request(
            "a body for GET",
            "GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: \(known.utf8.count)\r\n\r\n"
                + known,
            200
        ),
        Request("HEAD", "HEAD /healthz HTTP/1.1\r\nHost: a\r\n\r\n", 200),
        Request("an empty line", "\r\n" + known, 201, stored: "known"),
        Request("empty lines", "\r\n\r\n\n" + known, 201, stored: "known"),
        Request("known heads", known + known, 201, 201, stored: "known", "known"),
        Request("a known and another", known + get("/nothing"), 201, 404, stored: "known"),
        Request("two heads", post(target, "1", "X: y") + get("/nothing"), 201, 404, stored: "1"),
        Request("a long head", post(target, "1", "X: \(long)"), 201, stored: "1"),
    ]

    @Test("Whatever stands between known heads, they are publishes", arguments: others)
    func goingOn(request: Request) throws {
        let known = Act.read(Self.known)
        let other = Act.read(request.text)
        let outcome = try self.outcome(of: [known, known, other, known, .run, known, other, known])
        let once = [201] + request.statuses + [201]
        #expect(outcome.statuses == [201] + once + once)
        let stored = ["known"] + request.stored + ["known"]
        #expect(outcome.stored == ["known"] + stored + stored)
        #expect(outcome.isOpen)
    }

    @Test("Two heads in one read, the body of the second open, do not change places")
    func openBody() throws {
        let first = post("/topics/a/messages", "a")
        let second = post("/topics/b/messages", String(repeating: "b", count: 900))
        for count in stride(from: 1, to: second.utf8.count, by: 7) {
            let outcome = try self.outcome(of: [
                .read(first + second.prefix(count)), .read(String(second.dropFirst(count))),
                .read(first), .read(first),
            ])
            try #require(outcome.statuses == [201, 201, 201, 201], "\(count)")
            try #require(outcome.logged.map { $0.prefix(3) } == ["1 a", "2 b", "3 a", "4 a"])
        }
    }

    @Test("A body cannot pass for a known request, though its length adds up for the first head")
    func smuggling() throws {
        let first = post("/topics/a/messages", "a")
        let head = post("/topics/b/messages", String(repeating: "x", count: 10)).dropLast(10)
        // As long as what follows the first head so far.
        let length = 1 + head.utf8.count
        let second = head.replacing(": 10", with: ": \(length)")
        let body = first + String(repeating: "x", count: length - first.utf8.count)
        let outcome = try self.outcome(of: [.read(first + second), .read(body), .read(first)])
        #expect(outcome.statuses == [201, 201, 201])
        #expect(outcome.logged == ["1 a a", "2 b \(body)", "3 a a"])
    }

    @Test("A key makes the second publish a repeat, a head known or not")
    func idempotencyKey() throws {
        let once = post(Self.target, "x", "Idempotency-Key: k")
        let outcome = try self.outcome(of: [.read(once), .read(once), .run, .read(once)])
        #expect(outcome.statuses == [201, 200, 200])
        #expect(outcome.stored == ["x"])
    }

    @Test("A head that expects 100 Continue gets it each time")
    func expectation() throws {
        let publish = post(Self.target, "x", "Expect: 100-continue")
        let outcome = try self.outcome(of: [.read(publish), .run, .read(publish), .run])
        #expect(outcome.statuses == [100, 201, 100, 201])
    }

    @Test("A known head with a body that is not UTF-8 is refused, and the connection goes on")
    func notUTF8() throws {
        let bad = Act.read(Array(Self.known.utf8.dropLast(5)) + [0x61, 0xFF, 0xC3, 0x28, 0x62])
        let known = Act.read(Self.known)
        let outcome = try self.outcome(of: [known, bad, known, .run, bad, known])
        #expect(outcome.statuses == [201, 415, 201, 415, 201])
        #expect(outcome.stored == ["known", "known", "known"])
    }

    @Test("While the peer takes no answers, a known head waits like any other")
    func slowReader() throws {
        let known = Act.read(Self.known)
        let fixture = try ConnectionFixture()
        try fixture.send(Self.known)
        fixture.run()
        fixture.channel.isWritable = false
        fixture.channel.pipeline.fireChannelWritabilityChanged()
        for _ in 0..<3 { try fixture.send(Self.known) }
        fixture.run()
        #expect(fixture.log.head == 1)
        let outcome = try self.outcome(of: [
            known, .run, .writable(false), known, known, .run, .writable(true), known,
        ])
        #expect(outcome.statuses == [201, 201, 201, 201])
    }

    @Test("More known heads than may wait for their answer are held")
    func pipelined() throws {
        let many = String(repeating: Self.known, count: 300)
        let fixture = try ConnectionFixture()
        try fixture.send(Self.known)
        fixture.run()
        try fixture.send(many)
        fixture.loop.run()
        fixture.log.commitAndAnnounce()
        #expect(fixture.log.head == 1 + Int64(Limits().pipelinedRequestsMax))
        let outcome = try self.outcome(of: [.read(Self.known), .read(many), .read(Self.known)])
        #expect(outcome.statuses == Array(repeating: 201, count: 302))
    }

    @Test("A drain answers known heads in flight and ends the connection with the last")
    func drain() throws {
        let known = Act.read(Self.known)
        let outcome = try self.outcome(of: [known, known, .drain, known, .run, known])
        #expect(outcome.statuses == [201, 201, 201])
        #expect(outcome.stored.count == 3)
        #expect(outcome.sent.matches(of: /Connection: close/).count == 1)
    }

    @Test("A peer that closes its side has its known heads answered")
    func halfClose() throws {
        let known = Act.read(Self.known)
        let outcome = try self.outcome(of: [known, known, known, .halfClose])
        #expect(outcome.statuses == [201, 201, 201])
        #expect(!outcome.isOpen)
    }

    @Test("A connection that waits for the next known head has the time of any other")
    func deadlines() throws {
        let limits = Limits()
        let fixture = try ConnectionFixture()
        for _ in 0..<3 {
            try fixture.send(Self.known)
            fixture.run()
            fixture.pass(seconds: limits.requestTimeoutSeconds + 5)
            #expect(fixture.channel.isActive)
        }
        fixture.pass(seconds: limits.idleTimeoutSeconds)
        #expect(!fixture.channel.isActive)
    }
}
