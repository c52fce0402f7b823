import NIOCore
import NIOHTTP1
import Testing
import TickertapeCore
import TickertapeWire

@testable import TickertapeServer

struct RequestMachineTests {
    /// What a machine says to each part of a request.
    private func steps(
        _ head: HTTPRequestHead,
        _ body: [[UInt8]] = [],
        limits: Limits = Limits()
    ) throws -> [String] {
        var machine = try openMachine(limits)
        let steps = self.feed(&machine, head, body)
        #expect(machine.isIdle)
        return steps
    }

    private func feed(
        _ machine: inout RequestMachine,
        _ head: HTTPRequestHead,
        _ body: [[UInt8]] = []
    ) -> [String] {
        var steps = [described(machine.received(.head(head)))]
        #expect(!machine.isIdle)
        for piece in body {
            steps.append(described(machine.received(.body(ByteBuffer(bytes: piece)))))
        }
        steps.append(described(machine.received(.end(nil))))
        return steps
    }

    private static let length = ("Content-Length", "4")
    private static let chunked = ("Transfer-Encoding", "chunked")
    private static let json = ("Content-Type", "application/json")

    @Test("The pieces of a body become one text, also when they are cut inside a letter")
    func pieces() throws {
        let post = head(
            .POST,
            "/topics/a/messages?event=ev",
            [Self.chunked, ("idempotency-KEY", "k")]
        )
        let whole = "publish a event=ev 'né' once=k"
        #expect(try self.steps(post, [Array("né".utf8)]) == ["more", "more", whole])
        #expect(try self.steps(post, [[0x6E, 0xC3], [0xA9]]) == ["more", "more", "more", whole])
        let empty = head(.POST, "/topics/a/messages", [("Content-Length", "0")])
        #expect(try self.steps(empty) == ["more", "publish a ''"])
    }

    @Test("A body of very many pieces costs a step for each, not their square")
    func tinyPieces() throws {
        let count = Limits().messageBytesMax / 2
        let piece = HTTPServerRequestPart.body(ByteBuffer(string: "x"))
        var machine = try openMachine()
        /// Feeds so many pieces of a new body.
        func feed(_ count: Int) throws -> Duration {
            machine = try openMachine()
            _ = machine.received(.head(head(.POST, "/topics/a/messages", [Self.chunked])))
            return ContinuousClock().measure {
                for _ in 0..<count { _ = machine.received(piece) }
            }
        }
        // Sixteen times as long if each piece copied all before it.
        let quarter = try feed(count / 4)
        #expect(try feed(count) < quarter * 10)
        let data = String(repeating: "x", count: count)
        #expect(described(machine.received(.end(nil))) == "publish a '\(data)'")
    }

    @Test("Data that is not UTF-8 is refused when it is complete, the connection goes on")
    func notUTF8() throws {
        let post = head(.POST, "/topics/a/messages", [Self.chunked])
        for bytes in [[0xFF], [0xC3], [0xED, 0xA0, 0x80], [0x61, 0xC0, 0xAF]] as [[UInt8]] {
            #expect(try self.steps(post, [bytes]) == ["more", "more", "415 not_utf8"])
        }
    }

    struct Refusal: Sendable {
        let fields: [(String, String)]
        let problem: String

        init(_ problem: String, _ fields: (String, String)...) {
            self.fields = fields
            self.problem = problem
        }
    }

    static let refusals = [
        Refusal("411 length_required"),
        Refusal("413 message_too_large close", ("Content-Length", "1048577")),
        Refusal("415 unsupported_content_encoding", length, ("Content-Encoding", "gzip")),
        Refusal("415 unsupported_content_encoding close", chunked, ("Content-Encoding", "br")),
        Refusal("415 unsupported_charset", length, ("Content-Type", "text/plain; charset=latin1")),
        Refusal("415 unsupported_charset", length, ("Content-Type", "a/b;x=y; Charset=\"utf-16\"")),
        Refusal("400 invalid_parameter", length, ("Idempotency-Key", "")),
        Refusal("400 invalid_parameter", length, ("Idempotency-Key", "é")),
        Refusal("400 invalid_parameter", length, ("Idempotency-Key", "a\tb")),
        Refusal(
            "400 invalid_parameter",
            length,
            ("Idempotency-Key", String(repeating: "k", count: 256))
        ),
        Refusal("417 expectation_failed close", length, ("Expect", "something")),
        Refusal("400 bad_request close", length, ("Host", "other")),
    ]

    @Test(
        "A publish whose header says it cannot be is refused before its body",
        arguments: refusals
    )
    func badHeaders(refusal: Refusal) throws {
        let post = head(.POST, "/topics/a/messages", refusal.fields)
        let steps = try self.steps(post, [Array("data".utf8)])
        #expect(steps == [refusal.problem, "more", "more"])
    }

    @Test("Two idempotency keys in one request are a bad value (§13.1)")
    func twoKeys() throws {
        let keys = [("Idempotency-Key", "a"), ("Idempotency-Key", "b")]
        let post = head(.POST, "/topics/a/messages", [Self.length] + keys)
        #expect(try self.steps(post, [Array("data".utf8)]).first == "400 invalid_parameter")
    }

    @Test(
        "Any text type is taken when its charset is UTF-8 or ASCII",
        arguments: [
            "text/plain", "text/plain; charset=utf-8", "application/json; CHARSET=\"UTF-8\"",
            "text/plain;charset=us-ascii", "application/x-www-form-urlencoded", "nonsense", "",
            ";;",
            "text/plain; charset = utf-8", "image/png",
        ]
    )
    func goodTypes(type: String) throws {
        let fields = [Self.length, ("Content-Type", type), ("Content-Encoding", "Identity")]
        let post = head(.POST, "/topics/a/messages", fields)
        #expect(try self.steps(post, [Array("data".utf8)]).last == "publish a 'data'")
    }

    @Test("A body that grows over the limit is refused there and then, and the rest dropped")
    func tooLarge() throws {
        var limits = Limits()
        limits.messageBytesMax = 5
        let post = head(.POST, "/topics/a/messages", [Self.chunked])
        let piece = Array("abc".utf8)
        let steps = try self.steps(post, [piece, piece, piece], limits: limits)
        #expect(steps == ["more", "more", "413 message_too_large close", "more", "more"])
        let fits = try self.steps(post, [piece, Array("de".utf8)], limits: limits)
        #expect(fits.last == "publish a 'abcde'")
    }

    @Test("100 Continue is said when the body is going to be read, and not otherwise")
    func expectations() throws {
        let expect = ("Expect", "100-Continue")
        let data = [Array("data".utf8)]
        let good = head(.POST, "/topics/a/messages", [Self.length, expect])
        #expect(try self.steps(good, data) == ["continue", "more", "publish a 'data'"])
        let bad = head(.POST, "/topics/a*/messages", [Self.length, expect])
        #expect(try self.steps(bad) == ["400 invalid_topic close", "more"])
        let empty = head(.POST, "/topics/a/messages", [("Content-Length", "0"), expect])
        #expect(try self.steps(empty).first == "more")
        let old = head(.POST, "/topics/a/messages", [Self.length, expect], version: .http1_0)
        #expect(try self.steps(old, data) == ["more", "more", "publish a 'data' 1.0 close"])
    }

    @Test("HEAD, HTTP/1.0, Connection: close and Accept are remembered for the answer")
    func ends() throws {
        let target = "/healthz"
        let table: [(HTTPRequestHead, String)] = [
            (head(.GET, target), "health"), (head(.HEAD, target), "health HEAD"),
            (head(.GET, target, [("Connection", "close")]), "health close"),
            (head(.GET, target, version: .http1_0), "health 1.0 close"),
            (head(.GET, target, [("Accept", "text/event-stream")]), "health stream"),
            (head(.GET, target, [("Accept", "*/*, Text/Event-Stream;q=0.5")]), "health stream"),
            (
                head(.GET, target, [("Accept", "text/html"), ("Accept", "text/event-stream")]),
                "health stream"
            ),
            (head(.GET, target, [("Accept", "*/*")]), "health"),
        ]
        for (request, end) in table { #expect(try self.steps(request) == ["more", end]) }
    }

    @Test("HTTP/1.1 needs exactly one Host, HTTP/1.0 at most one; other versions are not served")
    func hostsAndVersions() throws {
        func first(_ version: HTTPVersion, _ hosts: Int) throws -> String? {
            let headers = HTTPHeaders(Array(repeating: ("Host", "a"), count: hosts))
            let request = HTTPRequestHead(
                version: version,
                method: .GET,
                uri: "/healthz",
                headers: headers
            )
            return try self.steps(request).first.map { String($0.prefix(15)) }
        }
        #expect(try first(.http1_1, 0) == "400 bad_request")
        #expect(try first(.http1_1, 1) == "more")
        #expect(try first(.http1_1, 2) == "400 bad_request")
        #expect(try first(.http1_0, 0) == "more")
        #expect(try first(.http1_0, 1) == "more")
        #expect(try first(.http1_0, 2) == "400 bad_request")
        #expect(try first(.http2, 1) == "505 http_version".prefix(15).description)
        #expect(try first(.http0_9, 1) == "505 http_version".prefix(15).description)
    }

    @Test("A body nobody asked for is dropped, up to a bound")
    func droppedBodies() throws {
        var limits = Limits()
        limits.discardedBodyBytesMax = 5
        let get = head(.GET, "/healthz", [Self.chunked])
        let piece = Array("abc".utf8)
        #expect(try self.steps(get, [piece], limits: limits) == ["more", "more", "health"])
        let steps = try self.steps(get, [piece, piece, piece], limits: limits)
        #expect(steps == ["more", "more", "413 body_too_large close", "more", "more"])
    }

    @Test("POST /events takes JSON, by its type and its size")
    func subscribing() throws {
        func steps(_ fields: [(String, String)], _ body: String) throws -> [String] {
            try self.steps(head(.POST, "/events", fields), [Array(body.utf8)])
        }
        let body = #"{"topics":["b","a/*"],"after":7}"#
        #expect(
            try steps([Self.chunked, Self.json], body) == ["more", "more", "events a/* b after=7"]
        )
        let typed = [Self.chunked, ("Content-Type", "Application/JSON ; charset=utf-8")]
        #expect(try steps(typed, body).last == "events a/* b after=7")
        let resumed = [Self.chunked, Self.json, ("Last-Event-ID", "9")]
        #expect(try steps(resumed, body).last == "events a/* b after=9")
        #expect(
            try steps([Self.chunked, Self.json], #"{"topics":["a"],"tail":2}"#).last
                == "events a tail=2"
        )
        #expect(
            try steps([Self.chunked, Self.json], #"{"topics":["a"],"after":""}"#).last
                == "events a live"
        )
        #expect(
            try steps([Self.chunked, Self.json], #"{"topics":["a"],"after":"x"}"#).last
                == "events a unknown"
        )
        #expect(try steps([Self.chunked], body).first == "415 unsupported_media_type close")
        let text = [Self.length, ("Content-Type", "text/plain")]
        #expect(try steps(text, body).first == "415 unsupported_media_type")
        let latin = [Self.length, ("Content-Type", "application/json; charset=latin1")]
        #expect(try steps(latin, body).first == "415 unsupported_charset")
        #expect(try steps([Self.json], body).first == "411 length_required")
        let large = [("Content-Length", "65537"), Self.json]
        #expect(try steps(large, body).first == "413 body_too_large close")
        let many = #"{"topics":[\#(Array(repeating: "\"a\"", count: 129).joined(separator: ","))]}"#
        #expect(try steps([Self.chunked, Self.json], many).last == "400 too_many_topics")
        #expect(
            try steps([Self.chunked, Self.json], #"{"topics":[]}"#).last == "400 invalid_parameter"
        )
        #expect(
            try steps([Self.chunked, Self.json], #"{"topics":["a*"]}"#).last
                == "400 invalid_pattern"
        )
        #expect(
            try steps([Self.chunked, Self.json], #"{"topics":["a"],"tail":1001}"#).last
                == "400 invalid_parameter"
        )
        #expect(try steps([Self.chunked, Self.json], "{").last == "400 invalid_body")
        #expect(
            try steps([Self.chunked, Self.json], #"{"topics":["a"],"x":1}"#).last
                == "400 unknown_parameter"
        )
    }

    @Test("Requests follow one another, good and bad, to one target and to others")
    func sequence() throws {
        var machine = try openMachine()
        let data = [Array("data".utf8)]
        let a = "/topics/a/messages?event=ev"
        let table: [(HTTPRequestHead, String)] = [
            (head(.POST, a, [Self.length]), "publish a event=ev 'data'"),
            (head(.POST, a, [Self.length]), "publish a event=ev 'data'"),
            (
                head(.POST, a, [Self.length, ("Idempotency-Key", "k")]),
                "publish a event=ev 'data' once=k"
            ),
            (head(.GET, a), "history a after=0 limit=100 wait=0.0"),
            (head(.POST, "/topics/b/messages", [Self.length]), "publish b 'data'"),
            (head(.POST, a, [Self.length]), "publish a event=ev 'data'"),
        ]
        for (request, end) in table {
            let body = request.method == .POST ? data : []
            #expect(self.feed(&machine, request, body).last == end)
        }
        #expect(self.feed(&machine, head(.POST, a), data).first == "411 length_required")
        let put = self.feed(&machine, head(.PUT, a, [Self.length]), data)
        #expect(put.first == "405 method_not_allowed")
        #expect(self.feed(&machine, head(.POST, a, [Self.length]), data).last == table[0].1)
        let unknown = [Self.length, ("Transfer-Encoding", "gzip, chunked")]
        #expect(self.feed(&machine, head(.POST, a, unknown)).first == "400 bad_request close")
    }
}
