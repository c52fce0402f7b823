import NIOCore
import NIOEmbedded
import Testing
import TickertapeCore
import TickertapeTestSupport

@testable import TickertapeServer

struct ConnectionDeadlineTests {
    private static var limits: Limits {
        var limits = Limits()
        limits.requestTimeoutSeconds = 3
        limits.idleTimeoutSeconds = 10
        limits.lingerSeconds = 1
        limits.drainIdleSeconds = 0.5
        return limits
    }

    @Test(
        "A request that does not arrive in time is answered 408, and the connection ends",
        arguments: ["G", "GET /healthz HTTP/1.1\r\nHost", "POST /topics/a/messages HTTP/1.1\r\n"]
    )
    func dribbling(start: String) throws {
        let fixture = try ConnectionFixture(Self.limits)
        try fixture.send(get("/healthz"))
        #expect(try fixture.answers().map(\.status) == [200])
        try fixture.send(start)
        fixture.pass(seconds: 2.5)
        #expect(try fixture.sent().isEmpty)
        fixture.pass(seconds: 1)
        let answers = try fixture.answers()
        #expect(answers.map(\.status) == [408])
        #expect(answers.first?.isLast == true)
        fixture.pass(seconds: 2)
        #expect(!fixture.channel.isActive)
    }

    @Test("The time for a body counts from the start of the request")
    func slowBody() throws {
        let fixture = try ConnectionFixture(Self.limits)
        let publish = post("/topics/a/messages", "data")
        try fixture.send(String(publish.dropLast(4)))
        for _ in 0..<3 {
            try fixture.send("d")
            fixture.pass(seconds: 0.75)
        }
        #expect(try fixture.sent().isEmpty)
        fixture.pass(seconds: 1.5)
        #expect(try fixture.answers().map(\.status) == [408])
    }

    @Test("An idle connection is closed without a word")
    func idle() throws {
        let fixture = try ConnectionFixture(Self.limits)
        try fixture.send(post("/topics/a/messages", "x") + get("/healthz"))
        fixture.run()
        #expect(try fixture.answers().count == 2)
        fixture.pass(seconds: 9.5)
        #expect(fixture.channel.isActive)
        fixture.pass(seconds: 1)
        #expect(!fixture.channel.isActive)
        #expect(try fixture.sent().isEmpty)
    }

    @Test("A connection without any request is closed without a word")
    func silent() throws {
        let fixture = try ConnectionFixture(Self.limits)
        fixture.pass(seconds: 2.5)
        #expect(fixture.channel.isActive)
        fixture.pass(seconds: 1)
        #expect(!fixture.channel.isActive)
        #expect(try fixture.sent().isEmpty)
    }

    @Test("No deadline runs while the log has not answered")
    func slowLog() throws {
        let fixture = try ConnectionFixture(Self.limits)
        try fixture.send(post("/topics/a/messages", "x"))
        fixture.loop.run()
        fixture.pass(seconds: 60)
        #expect(fixture.channel.isActive)
        fixture.run()
        #expect(try fixture.answers().map(\.status) == [201])
    }

    @Test("When the broker stops, what is in flight is answered, and idle connections end")
    func draining() throws {
        let (busy, idle) = (
            try ConnectionFixture(Self.limits), try ConnectionFixture(Self.limits)
        )
        try busy.send(post("/topics/a/messages", "x"))
        busy.loop.run()
        for fixture in [busy, idle] { fixture.server.drain() }
        busy.run()
        let answers = try busy.answers()
        #expect(answers.map(\.status) == [201])
        #expect(answers.first?.isLast == true)
        idle.pass(seconds: 1)
        #expect(!idle.channel.isActive)
    }

    @Test("While the broker stops, health says so")
    func health() throws {
        let fixture = try ConnectionFixture(Self.limits)
        fixture.server.drain()
        try fixture.send(get("/healthz"))
        let answer = try #require(try fixture.answers().first)
        #expect(answer.status == 503)
        #expect(answer.body.contains(#""code":"draining""#))
        #expect(answer.isLast)
    }
}
