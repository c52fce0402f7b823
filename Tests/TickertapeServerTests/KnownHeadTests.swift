import NIOCore
import NIOEmbedded
import Testing
import TickertapeCore
import TickertapeTestSupport

@testable import TickertapeServer

struct KnownHeadTests {
    private static let target = "/topics/a/messages"

    private func learn(_ head: String) throws -> KnownHead? {
        let target = PublishTarget(topic: try TopicName("a"), event: nil, key: nil)
        let share = ClientShare(Limits(), isLoopback: true)
        let admitted = Admitted(access: nil, credential: nil, generation: 0, share: share)
        let publish = PlainPublish(target: target, admitted: admitted)
        return Array(head.utf8).withUnsafeBytes { KnownHead($0, publish: publish) }
    }

    private func match(_ known: KnownHead, _ text: String) -> [Int]? {
        Array(text.utf8).withUnsafeBytes { known.match($0) }.map { [$0.headBytes, $0.bodyBytes] }
    }

    /// The topic of a publish whose head is known.
    private func topic(_ known: KnownHead, _ text: String) -> String? {
        Array(text.utf8).withUnsafeBytes { bytes in
            known.match(bytes).flatMap { known.publish($0, in: bytes) }?.target.topic.text
        }
    }

    @Test("Of a head that names its topic as it is, the topic may be another")
    func otherTopic() throws {
        func head(_ target: String) -> String {
            "POST \(target) HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n"
        }
        let known = try #require(try self.learn(head("/topics/a/messages?event=e")))
        for name in ["a", "b", "stocks/BRK.B", "messages", "a/messages"] {
            #expect(self.topic(known, head("/topics/\(name)/messages?event=e")) == name)
        }
        let others = [
            "/topics/b/messages", "/topics/b/messages?event=f", "/topics//messages?event=e",
            "/topics/messages?event=e", "/topics/b/events?event=e", "/topics/b%20/messages?event=e",
            "/topics/b /messages?event=e", "/topics/b?/messages?event=e",
            "/topics/b#/messages?event=e",
            "/topics/b/messages/messages/1?event=e", "/topics/b/../messages?event=e",
            "http://h/topics/b/messages?event=e", "/Topics/b/messages?event=e",
            "/topics/\(String(repeating: "x", count: 256))/messages?event=e",
            "/topics/b\r\n/messages?event=e", "/topics/\u{e9}/messages?event=e",
        ]
        for target in others { #expect(self.topic(known, head(target)) == nil, "\(target)") }
        // Spelled in another way than it is named, it may not.
        for target in ["/topics/%61/messages", "http://h/topics/a/messages", "/topics/b/messages"] {
            let known = try #require(try self.learn(head(target)))
            #expect(self.topic(known, head(target)) == "a")
            #expect(self.topic(known, head("/topics/c/messages")) == nil)
        }
    }

    static let unlearned = [
        "POST / HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nX-Content-Length: 5\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length-X: 5\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nX: Content-Length: 5\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length : 5\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\ncontent-length: 5\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nX: 1\r\nCONTENT-LENGTH: x\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 5\r\nX: \(String(repeating: "x", count: 1_024))\r\n\r\n",
        "\r\n\r\n",
        "",
    ]

    @Test("A head whose length stands nowhere, twice or far is not learned", arguments: unlearned)
    func notLearned(head: String) throws {
        #expect(try self.learn(head) == nil)
    }

    /// Before the digits, the digits, and behind them.
    static let learned = [
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ", "5", "\r\n\r\n"),
        ("POST / HTTP/1.1\r\ncontent-LENGTH:", "5", "\r\nX-Content-Length: 7\r\n\r\n"),
        ("POST /5 HTTP/1.1\r\nX5: 5\r\nContent-Length: \t ", "55", " \r\n\r\n"),
        ("POST / HTTP/1.1\r\nContent-Length: ", "0005", "\r\nX: 5\r\n\r\n"),
    ]

    @Test("What equals a learned head but for its length is known", arguments: learned)
    func matched(before: String, digits: String, after: String) throws {
        let known = try #require(try self.learn(before + digits + after))
        for (digits, length) in [("5", 5), ("0", 0), ("10", 10), ("999999999", 999_999_999)] {
            let head = before + digits + after
            #expect(self.match(known, head) == [head.utf8.count, length])
            #expect(self.match(known, head + "0\r\n\r\n") == [head.utf8.count, length])
        }
        for digits in ["", "00", "05", "9999999990", "-1", "+5", "5x", "x", "5, 5", " 5", "5 "] {
            #expect(self.match(known, before + digits + after + "12345") == nil, "\(digits)")
        }
    }

    @Test("A part of a known head, and a head with one other byte, are not known")
    func notMatched() throws {
        let head = "POST / HTTP/1.1\r\nContent-Length: 5\r\nX: y\r\n\r\n"
        let known = try #require(try self.learn(head))
        for count in 0..<head.utf8.count {
            #expect(
                self.match(known, String(decoding: head.utf8.prefix(count), as: UTF8.self)) == nil
            )
        }
        let digit = try #require(head.utf8.firstRange(of: Array("5".utf8))?.lowerBound)
        for index in head.utf8.indices where index != digit {
            var bytes = Array(head.utf8)
            bytes[head.utf8.distance(from: head.utf8.startIndex, to: index)] ^= 0x20
            #expect(bytes.withUnsafeBytes { known.match($0) } == nil)
        }
    }

    @Test("A publish with the head of the one before does not reach the decoder")
    func taken() throws {
        let fixture = try ConnectionFixture()
        let counter = try fixture.countDecoded()
        let first = post(Self.target, "first")
        try fixture.send(first)
        for text in ["second", "", "néxt", String(repeating: "x", count: 1_000)] {
            try fixture.send(post(Self.target, text))
        }
        try fixture.send(post(Self.target, "two") + post(Self.target, "in one read"))
        #expect(counter.bytes == first.utf8.count)
        fixture.run()
        #expect(try fixture.answers().map(\.status) == Array(repeating: 201, count: 7))
        #expect(fixture.log.messages.map(\.data)[1...3] == ["second", "", "néxt"])

        let other = post(Self.target, "first", "X: y")
        try fixture.send(other)
        try fixture.send(post(Self.target, "second", "X: y"))
        #expect(counter.bytes == first.utf8.count + other.utf8.count, "another head is learned")
        fixture.run()
        #expect(fixture.logged.suffix(2) == ["8 a first", "9 a second"])
    }

    @Test("A publish to another topic does not reach the decoder, but for what is no plain name")
    func otherTopics() throws {
        let fixture = try ConnectionFixture()
        let counter = try fixture.countDecoded()
        let first = post(Self.target, "first")
        try fixture.send(first)
        let long = String(repeating: "x", count: 255)
        let names = ["b", "stocks/BRK.B", "a", "a/messages", "~u_1-2", "topics/messages", long]
        for name in names { try fixture.send(post("/topics/\(name)/messages", name)) }
        #expect(counter.bytes == first.utf8.count)
        fixture.run()
        #expect(
            fixture.logged.dropFirst() == names.enumerated().map { "\($0 + 2) \($1) \($1)" }[...]
        )

        let bad = ["a//b", "/a", ".", "a/..", "a*", "x" + long, "a%", "%00"]
        let decoded = ["s%74ocks", "n%C3%A9xt", "a+b"]
        var bytes = first.utf8.count
        for name in bad + decoded {
            let text = post("/topics/\(name)/messages", "x")
            try fixture.send(text)
            bytes += text.utf8.count
            #expect(counter.bytes == bytes, "\(name)")
        }
        fixture.run()
        let statuses = try fixture.answers().map(\.status)
        #expect(
            Array(statuses.dropFirst(1 + names.count).prefix(bad.count)).allSatisfy { $0 == 400 }
        )
        #expect(
            fixture.logged.suffix(3).map { $0.split(separator: " ")[1] } == [
                "stocks", "néxt", "a+b",
            ]
        )
    }

    @Test("A long body comes in many reads, and what follows it is known again")
    func longBody() throws {
        let fixture = try ConnectionFixture()
        let counter = try fixture.countDecoded()
        let body = String(repeating: "x\r\n\r\n", count: 20_000)
        let whole = Array(post(Self.target, body).utf8)
        for round in 1...2 {
            for start in stride(from: 0, to: whole.count, by: 16_384) {
                try fixture.send(Array(whole[start..<min(start + 16_384, whole.count)]))
            }
            try fixture.send(post(Self.target, "short"))
            #expect(counter.bytes == whole.count * round)
        }
        fixture.run()
        #expect(try fixture.answers().map(\.status) == [201, 201, 201, 201])
        #expect(fixture.log.messages.map(\.data) == [body, "short", body, "short"])
    }

    @Test("A connection that dribbles is served by the decoder")
    func dribble() throws {
        let fixture = try ConnectionFixture()
        let counter = try fixture.countDecoded()
        let text = ["one", "", "three"].map { post(Self.target, $0) }.joined()
        for byte in text.utf8 { try fixture.send([byte]) }
        try fixture.send(post(Self.target, "four"))
        fixture.run()
        #expect(fixture.logged == ["1 a one", "2 a ", "3 a three", "4 a four"])
        #expect(counter.bytes == (text + post(Self.target, "four")).utf8.count)
    }

    @Test("An event stream keeps nothing of the connection it was")
    func released() throws {
        let fixture = try ConnectionFixture()
        try fixture.send(post(Self.target, "one"))
        let pipeline = fixture.channel.pipeline.syncOperations
        weak let shortcut = try pipeline.handler(type: KnownHeadHandler.self)
        weak let connection = try pipeline.handler(type: ConnectionHandler.self)
        #expect(shortcut != nil && connection != nil)
        try fixture.send(get("/topics/a/events") + post(Self.target, "nobody's"))
        fixture.run()
        try fixture.send(post(Self.target, "nobody's"))
        fixture.run()
        #expect(shortcut == nil && connection == nil)
        #expect(fixture.logged == ["1 a one"])
    }

    @Test("A connection that is closed leaves nothing")
    func closed() throws {
        weak var shortcut: KnownHeadHandler?
        weak var connection: ConnectionHandler?
        do {
            let fixture = try ConnectionFixture()
            let pipeline = fixture.channel.pipeline.syncOperations
            shortcut = try pipeline.handler(type: KnownHeadHandler.self)
            connection = try pipeline.handler(type: ConnectionHandler.self)
            try fixture.send(post(Self.target, "one"))
            fixture.run()
        }
        #expect(shortcut == nil && connection == nil)
    }
}
