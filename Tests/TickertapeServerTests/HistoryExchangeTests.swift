import NIOCore
import NIOEmbedded
import Testing
import TickertapeCore
import TickertapeTestSupport

@testable import TickertapeServer

struct HistoryExchangeTests {
    @Test("A page says where to go on, also past messages of other topics")
    func pages() throws {
        let fixture = try ConnectionFixture()
        for topic in ["a", "a", "b", "a", "b"] { try fixture.publish(topic, "x") }
        fixture.run()
        try fixture.send(get("/topics/a/messages?limit=2") + get("/topics/a/messages?after=2"))
        fixture.run()
        try fixture.send(get("/topics/c/messages") + get("/topics/a/messages?after=5"))
        fixture.run()
        let bodies = try fixture.answers().map(\.body)
        #expect(bodies.count == 4)
        #expect(bodies.map { $0.ranges(of: #""id":"#).count } == [2, 1, 0, 0])
        #expect(bodies.dropFirst().allSatisfy { $0.hasSuffix(#""next":5}"#) })
        #expect(bodies.last == #"{"messages":[],"next":5}"#)
    }

    @Test("A cursor ahead of the log is told at once, however long it may wait")
    func reset() throws {
        let fixture = try ConnectionFixture()
        try fixture.publish("a", "x")
        fixture.run()
        try fixture.send(get("/topics/a/messages?after=9&wait=60"))
        let gap = #"{"after":9,"resumed":1,"reason":"reset"}"#
        #expect(try fixture.answers().map(\.body) == [#"{"messages":[],"next":1,"gap":\#(gap)}"#])
    }

    @Test("What was removed is told with the page")
    func removed() throws {
        let fixture = try ConnectionFixture()
        for _ in 0..<4 { try fixture.publish("a", "x") }
        fixture.run()
        fixture.log.remove { $0.id < 3 }
        try fixture.send(get("/topics/a/messages?limit=1"))
        fixture.run()
        let body = try #require(try fixture.answers().first?.body)
        #expect(body.contains(#""gap":{"after":0,"resumed":3,"reason":"retention"}"#))
        #expect(body.contains(#""messages":[{"id":3,"#))
        fixture.log.remove { _ in true }
        try fixture.send(get("/topics/a/messages?after=1&wait=60"))
        fixture.run()
        let gap = #"{"after":1,"resumed":4,"reason":"retention"}"#
        #expect(try fixture.answers().map(\.body) == [#"{"messages":[],"next":4,"gap":\#(gap)}"#])
    }

    @Test("A request that waits is answered by the first message it selects")
    func waiting() throws {
        let fixture = try ConnectionFixture()
        try fixture.send(get("/topics/a/*/messages?wait=5") + get("/healthz"))
        fixture.run()
        try fixture.publish("b", "no")
        fixture.run()
        #expect(try fixture.sent().isEmpty)
        try fixture.publish("a/b", "yes")
        fixture.run()
        let answers = try fixture.answers()
        #expect(answers.map(\.status) == [200, 200])
        #expect(answers.first?.body.contains(#""data":"yes""#) == true)
        #expect(answers.first?.body.hasSuffix(#""next":2}"#) == true)
    }

    @Test("At its deadline it is answered with an empty page that goes on from the head")
    func deadline() throws {
        let fixture = try ConnectionFixture()
        try fixture.send(get("/topics/a/messages?wait=1.5"))
        try fixture.publish("b", "no")
        fixture.run()
        fixture.loop.advanceTime(by: .milliseconds(1_400))
        #expect(try fixture.sent().isEmpty)
        fixture.loop.advanceTime(by: .milliseconds(200))
        let body = try #require(try fixture.answers().first?.body)
        #expect(body.hasPrefix(#"{"messages":[],"next":"#))
        try fixture.publish("a", "late")
        fixture.run()
        #expect(try fixture.sent().isEmpty, "answered once")
    }

    @Test("What is committed while its page is read does not pass it by")
    func race() throws {
        let fixture = try ConnectionFixture()
        try fixture.send(get("/topics/a/messages?wait=5"))
        // The page is read, empty; before the loop hears of it a message comes.
        #expect(fixture.log.answerRead(at: 0))
        try fixture.publish("a", "just now")
        fixture.log.commitAndAnnounce()
        fixture.run()
        #expect(try fixture.answers().first?.body.contains("just now") == true)
    }

    @Test("One that waits is answered when the broker stops, and forgotten when it leaves")
    func ends() throws {
        let (stopped, left) = (try ConnectionFixture(), try ConnectionFixture())
        for fixture in [stopped, left] {
            try fixture.send(get("/topics/a/messages?wait=60"))
            fixture.run()
        }
        stopped.server.drain()
        stopped.run()
        let answer = try #require(try stopped.answers().first)
        #expect(answer.body == #"{"messages":[],"next":0}"#)
        #expect(answer.isLast)
        _ = try left.channel.finish()
        try left.publish("a", "x")
        left.run()
        #expect(try left.sent().isEmpty)
    }

    @Test("Nothing is read for a connection that is gone", arguments: ["", "?wait=60"])
    func goneWhileReading(query: String) throws {
        let fixture = try ConnectionFixture()
        try fixture.send(get("/topics/a/messages" + query))
        #expect(fixture.log.wantedReadCount == 1)
        _ = try fixture.channel.finish()
        #expect(fixture.log.wantedReadCount == 0)
        fixture.run()
        #expect(try fixture.sent().isEmpty)
    }

    @Test("A page that is read while the broker stops is answered", arguments: ["", "?wait=60"])
    func drainWhileReading(query: String) throws {
        let fixture = try ConnectionFixture()
        try fixture.publish("a", "just now")
        fixture.run()
        try fixture.send(get("/topics/a/messages" + query))
        fixture.server.drain()
        #expect(try fixture.sent().isEmpty)
        fixture.run()
        let answer = try #require(try fixture.answers().first)
        #expect(answer.body.contains("just now"))
        #expect(answer.isLast)
    }
}
