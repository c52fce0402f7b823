import NIOCore
import NIOHPACK
import NIOHTTP1
import NIOHTTP2
import Testing
import TickertapeCore
import TickertapeTestSupport

@testable import TickertapeServer

struct StreamCodecTests {
    @Test("A publish is answered with what HTTP/1 says, without what is about a connection")
    func publish() throws {
        let fixture = try StreamFixture()
        try fixture.send("POST", "/topics/a/b/messages", [(":authority", "a")], ends: false)
        try fixture.send(data: "o", ends: false)
        try fixture.send(data: "ne", ends: true)
        #expect(try fixture.sent().heads.isEmpty)
        fixture.run()
        let output = try fixture.sent()
        #expect(output[":status"] == "201")
        #expect(output["location"] == "/topics/a/b/messages/1")
        #expect(output["content-type"] == "application/json")
        #expect(output["content-length"] == "\(output.body.utf8.count)")
        #expect(output["date"] != nil)
        #expect(output.body == #"{"id":1,"topic":"a/b"}"#)
        #expect(output.isEnded && output.reset == nil)
        let names = output.heads.flatMap { $0.map(\.name) }
        #expect(names.allSatisfy { $0 == $0.lowercased() })
        #expect(!names.contains("connection") && !names.contains("transfer-encoding"))
        #expect(fixture.log.head == 1)
    }

    @Test("An empty body ends with its head")
    func emptyBody() throws {
        let fixture = try StreamFixture()
        try fixture.send("POST", "/topics/a/messages")
        fixture.run()
        #expect(try fixture.sent()[":status"] == "201")
    }

    @Test(
        "What is wrong is a problem, with the same fields",
        arguments: [
            ("GET", "/nothing", "404"), ("DELETE", "/healthz", "405"), ("GET", "/ws", "400"),
            ("GET", "/topics//messages", "400"),
        ]
    )
    func problem(method: String, path: String, status: String) throws {
        let fixture = try StreamFixture()
        try fixture.send(method, path)
        let output = try fixture.sent()
        #expect(output[":status"] == status)
        #expect(output["content-type"] == "application/problem+json")
        #expect((output["allow"] != nil) == (status == "405"))
        #expect(output.body.contains(#""status":\#(status)"#))
        #expect(output.isEnded)
    }

    @Test("HEAD has the length and no body")
    func head() throws {
        let fixture = try StreamFixture()
        try fixture.send("HEAD", "/healthz")
        let output = try fixture.sent()
        #expect(output["content-length"] == "15")
        #expect(output.isEnded && output.pieces.isEmpty)
    }

    @Test("The rest of a body that was refused is cut off, after the answer was taken")
    func refusedBody() throws {
        let fixture = try StreamFixture()
        try fixture.send("POST", "/nothing", ends: false)
        let output = try fixture.sent()
        #expect(output[":status"] == "404")
        #expect(output.isEnded)
        #expect(output.reset == .noError)
        try fixture.send(data: "dropped", ends: false)
        #expect(try fixture.sent().heads.isEmpty)
    }

    @Test(
        "A malformed request resets its stream",
        arguments: [
            ("healthz", [(":authority", "a")]), ("http://a/healthz", [(":authority", "a")]),
            ("*", [(":authority", "a")]), ("/", [(":authority", "a"), ("host", "b")]),
            ("/", [("host", "a"), ("host", "b")]),
        ]
    )
    func malformed(path: String, fields: [(String, String)]) throws {
        let fixture = try StreamFixture()
        try fixture.send("GET", path, fields)
        let output = try fixture.sent()
        #expect(output.reset == .protocolError)
        #expect(output.heads.isEmpty)
    }

    @Test("Without a host it is answered 400, with the same twice it is served")
    func host() throws {
        let without = try StreamFixture()
        try without.send("GET", "/healthz", [])
        #expect(try without.sent()[":status"] == "400")
        let twice = try StreamFixture()
        try twice.send("GET", "/healthz", [(":authority", "a:1"), ("host", "A:1")])
        #expect(try twice.sent()[":status"] == "200")
    }

    @Test("A head over its limits is answered 431")
    func largeHead() throws {
        for fields in [
            [("host", "a"), ("x", String(repeating: "v", count: 17_000))],
            [("host", "a")] + (0..<101).map { ("x-\($0)", "") },
        ] {
            let fixture = try StreamFixture()
            try fixture.send("GET", "/healthz", fields)
            #expect(try fixture.sent()[":status"] == "431")
        }
    }

    @Test("Pieces of a cookie are put together, and a body without a length is one")
    func translation() throws {
        let headers = HPACKHeaders([
            (":method", "POST"), (":scheme", "https"), (":path", "/x?y"), (":authority", "a:1"),
            ("cookie", "a=1"), ("accept", "b"), ("cookie", "c=2; d=3"),
        ])
        let head = try StreamRequest.head(headers, isWhole: false, Limits())
        #expect(head.method == .POST && head.uri == "/x?y")
        #expect(head.version == HTTPVersion(major: 2, minor: 0))
        #expect(head.headers["cookie"] == ["a=1; c=2; d=3"])
        #expect(head.headers["host"] == ["a:1"])
        #expect(head.headers["transfer-encoding"] == ["chunked"])
        let whole = try StreamRequest.head(headers, isWhole: true, Limits())
        #expect(whole.headers["content-length"] == ["0"])
        #expect(whole.headers["transfer-encoding"].isEmpty)
    }

    @Test("A request in pieces has its time; then 408")
    func timeout() throws {
        let fixture = try StreamFixture()
        try fixture.send("POST", "/topics/a/messages", ends: false)
        try fixture.send(data: "never", ends: false)
        fixture.pass(seconds: 29)
        #expect(try fixture.sent().heads.isEmpty)
        fixture.pass(seconds: 2)
        let output = try fixture.sent()
        #expect(output[":status"] == "408")
        #expect(output.isEnded && output.reset == .noError)
        #expect(fixture.log.head == 0)
    }

    @Test("100 comes before the body that waits for it")
    func expectation() throws {
        let fixture = try StreamFixture()
        let fields = [("host", "a"), ("expect", "100-continue")]
        try fixture.send("POST", "/topics/a/messages", fields, ends: false)
        #expect(try fixture.sent()[":status"] == "100")
        try fixture.send(data: "x", ends: true)
        fixture.run()
        #expect(try fixture.sent()[":status"] == "201")
    }

    @Test("Bodies that do not end are bounded over all streams, and what is over gets 503")
    func bodies() throws {
        var limits = Limits()
        limits.messageBytesMax = 100
        limits.streamBodiesBytesMax = 200
        let fixture = try StreamFixture(limits)
        #expect(fixture.connection.takeBody(150))
        try fixture.send("POST", "/topics/a/messages", ends: false)
        try fixture.send(data: String(repeating: "x", count: 60), ends: false)
        let output = try fixture.sent()
        #expect(output[":status"] == "503")
        #expect(output["retry-after"] == "1")
        #expect(output.reset == .noError)
        // Its own are given back.
        #expect(fixture.connection.takeBody(50))
        #expect(!fixture.connection.takeBody(1))
    }

    @Test("A stream over their number is refused, and nothing was done")
    func refusedStream() throws {
        var limits = Limits()
        limits.connectionStreamsMax = 0
        let fixture = try StreamFixture(limits)
        try fixture.send("POST", "/topics/a/messages")
        fixture.run()
        let output = try fixture.sent()
        #expect(output.reset == .refusedStream)
        #expect(output.heads.isEmpty)
        #expect(fixture.log.head == 0)
    }

    @Test("A large answer goes in pieces, so that a slow reader is seen to move")
    func pieces() throws {
        let fixture = try StreamFixture()
        let data = String(repeating: "x", count: 40_000)
        try fixture.publish("a", data)
        fixture.run()
        try fixture.send("GET", "/topics/a/messages?after=0")
        fixture.run()
        let output = try fixture.sent()
        #expect(output.pieces.map(\.utf8.count).dropLast() == [16_384, 16_384])
        #expect(output["content-length"] == "\(output.body.utf8.count)")
        #expect(output.isEnded)
    }
}
