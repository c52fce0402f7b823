import NIOCore
import NIOEmbedded
import Testing
import TickertapeCore

@testable import TickertapeServer

/// What bounds how many streaming publishes there are, and what each may hold for how long.
struct PublishStreamBoundTests {
    private static let head =
        "POST /topics/a/messages HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-ndjson\r\n"
        + "Transfer-Encoding: chunked\r\n\r\n"

    @Test("It takes a place among the streams, and gives it back")
    func places() throws {
        var limits = Limits()
        limits.streamsMax = 1
        let fixture = try ConnectionFixture(limits)
        try fixture.send(Self.head)
        #expect(try fixture.sent().hasPrefix("HTTP/1.1 200 OK\r\n"))
        #expect(!fixture.server.count.openStream(max: 1))
        try fixture.send("0\r\n\r\n")
        fixture.run()
        #expect(fixture.server.count.openStream(max: 1))
        try fixture.send(Self.head)
        let refused = try fixture.sent()
        #expect(refused.contains("HTTP/1.1 503 "))
        #expect(refused.contains("too_many_streams"))
    }

    @Test("A message that has begun has to be whole in time, however it dribbles in")
    func dribble() throws {
        var limits = Limits()
        limits.requestTimeoutSeconds = 2
        let fixture = try ConnectionFixture(limits)
        try fixture.send(Self.head)
        _ = try fixture.sent()
        var seconds = 0
        while seconds < 20, fixture.channel.isActive {
            seconds += 1
            try fixture.send("1\r\nx\r\n")
            fixture.pass(seconds: 1)
            let sent = try fixture.sent()
            guard sent.isEmpty else {
                #expect(sent.contains("request_timeout"))
                #expect(sent.contains("a message arrives within 2.0 seconds"))
                break
            }
        }
        #expect((2...4).contains(seconds))
    }
}
