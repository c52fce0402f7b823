import NIOCore
import Testing
import TickertapeAccess
import TickertapeCore
import TickertapeTestSupport
import TickertapeWire

@testable import TickertapeServer

/// Topics that end, over a WebSocket.
struct WebSocketTopicEndTests {
    private func open() throws -> WebSocketFixture {
        let fixture = try WebSocketFixture()
        #expect(try fixture.run() == ["hello head=0"])
        return fixture
    }

    private func publish(_ topic: String, _ data: String, _ more: String, ref: Int) -> String {
        #"{"type":"publish","topic":"\#(topic)","data":"\#(data)","ref":\#(ref),\#(more)}"#
    }

    private func stop(_ topic: String, ref: Int) -> String {
        #"{"type":"stop","topic":"\#(topic)","ref":\#(ref)}"#
    }

    @Test("A publish may be the last; subscriptions get it and then their end")
    func last() throws {
        let fixture = try self.open()
        try fixture.send(
            subscribe("a", as: "one"),
            subscribe("a", "b", as: "two"),
            subscribe("*", as: "all")
        )
        #expect(try fixture.run().count == 6)
        try fixture.send(self.publish("a", "bye", #""end":true"#, ref: 1))
        let told = try fixture.run()
        #expect(
            Set(told) == [
                "message one 1 a bye", "message two 1 a bye", "message all 1 a bye",
                "end one a ended 1", "published 1 a ended #1",
            ]
        )
        let message = try #require(told.firstIndex(of: "message one 1 a bye"))
        #expect(told[message...].contains("end one a ended 1"))
        try fixture.send(self.publish("a", "more", #""end":false"#, ref: 2))
        #expect(try fixture.run() == ["error topic_ended #2"])
        try fixture.send(self.publish("b", "x", #""end":true"#, ref: 3))
        #expect(
            Set(try fixture.run()) == [
                "message two 2 b x", "message all 2 b x", "end two b ended 2",
                "published 2 b ended #3",
            ]
        )
        try fixture.send(unsubscribe("one", ref: 4), ping(5))
        #expect(try fixture.run() == ["error unknown_subscription #4", "pong #5"])
    }

    @Test("A subscription of what has ended gets what is left of it, and its end")
    func subscribeLater() throws {
        let fixture = try self.open()
        try fixture.connection.publish("a", "1")
        try fixture.connection.publish("a", "2", end: .withMessage)
        fixture.connection.run()
        try fixture.send(subscribe("a", as: "one", with: #","after":1,"ref":1"#))
        #expect(
            try fixture.run() == [
                "subscribed one head=2 #1", "message one 2 a 2", "caught_up one 2",
                "end one a ended 2",
            ]
        )
        for more in ["", #","after":2"#, #","tail":0"#] {
            try fixture.send(subscribe("a", as: "one", with: more))
            #expect(
                try fixture.run()
                    == ["subscribed one head=2", "caught_up one 2", "end one a ended 2"]
            )
        }
        #expect(fixture.connection.log.delete(try TopicName("a")))
        try fixture.send(subscribe("a", as: "one", with: #","ref":2"#))
        #expect(try fixture.run() == ["error topic_deleted #2"])
    }

    @Test("A topic that never had a message ends too")
    func empty() throws {
        let fixture = try self.open()
        try fixture.send(subscribe("a", as: "one"))
        #expect(try fixture.run().count == 2)
        try fixture.send(self.stop("a", ref: 1))
        #expect(
            Set(try fixture.run()) == ["stopped a stopped 0 #1", "end one a stopped 0"]
        )
        try fixture.send(subscribe("a", as: "one", with: #","after":0"#))
        #expect(
            try fixture.run()
                == ["subscribed one head=0", "caught_up one 0", "end one a stopped 0"]
        )
    }

    @Test("A stop says how the topic has ended, however often it is asked for")
    func stop() throws {
        let fixture = try self.open()
        try fixture.send(
            TickertapeServerTests.publish("a", "x", ref: 1),
            self.stop("a", ref: 2),
            self.stop("a", ref: 3),
            TickertapeServerTests.publish("a", "y", ref: 4),
            self.stop("", ref: 5),
            self.stop("a/*", ref: 6)
        )
        #expect(
            Set(try fixture.run()) == [
                "published 1 a #1", "stopped a stopped 1 #2", "stopped a stopped 1 #3",
                "error topic_ended #4", "error invalid_topic #5", "error invalid_topic #6",
            ]
        )
        try fixture.connection.publish("b", "x", end: .withMessage)
        fixture.connection.run()
        try fixture.send(self.stop("b", ref: 7))
        #expect(try fixture.run() == ["stopped b ended 2 #7"])
    }

    @Test("A stop needs a grant of its own")
    func grants() throws {
        var admission = AdmissionFixture()
        admission.configuration.isOpen = false
        let token = try admission.makeToken(
            publish: ["a"],
            subscribe: ["**"],
            stop: ["chat/*"]
        )
        let fixture = try WebSocketFixture(admission)
        _ = try fixture.run()
        try fixture.send(self.stop("chat/1", ref: 1))
        #expect(try fixture.run() == ["error unauthorized #1"])
        try fixture.send(#"{"ref":2,"type":"auth","token":"\#(token)"}"#)
        _ = try fixture.run()
        try fixture.send(self.stop("a", ref: 3), self.stop("chat/1", ref: 4))
        #expect(try fixture.run() == ["error forbidden #3", "stopped chat/1 stopped 0 #4"])
    }

    @Test("A publish may say which message it follows")
    func conditions() throws {
        let fixture = try self.open()
        try fixture.send(
            self.publish("a", "1", #""if_last_id":0"#, ref: 1),
            self.publish("a", "2", #""if_last_id":1"#, ref: 2),
            self.publish("a", "3", #""if_last_id":1"#, ref: 3),
            self.publish("a", "3", #""if_last_id":0"#, ref: 4),
            self.publish("a", "3", #""if_last_id":-1"#, ref: 5)
        )
        #expect(
            Set(try fixture.run()) == [
                "published 1 a #1", "published 2 a #2", "error precondition_failed #3",
                "error precondition_failed #4", "error invalid_command #5",
            ]
        )
    }

    @Test("A repeat of the last publish is told that the topic has ended")
    func repeats() throws {
        let fixture = try self.open()
        let last = #""end":true,"idempotency_key":"k""#
        try fixture.send(
            self.publish("a", "x", last, ref: 1),
            self.publish("a", "x", last, ref: 2)
        )
        #expect(
            try fixture.run() == ["published 1 a ended #1", "published 1 a repeated ended #2"]
        )
    }

    @Test("A subscription whose socket is full gets the rest, then its end")
    func full() throws {
        let fixture = try self.open()
        try fixture.send(subscribe("a", as: "one"), subscribe("*", as: "all"))
        #expect(try fixture.run().count == 4)
        fixture.socket.stall(true)
        let long = String(repeating: "x", count: 100_000)
        for index in 0..<4 {
            try fixture.connection.publish("a", long, end: index == 3 ? .withMessage : .none)
            fixture.connection.run()
        }
        fixture.socket.stall(false)
        var told = try fixture.run()
        told += try fixture.run()
        #expect(told.count { $0.hasPrefix("message one") } == 4)
        #expect(told.count { $0.hasPrefix("message all") } == 4)
        #expect(told.count { $0 == "end one a ended 4" } == 1)
        let end = told.firstIndex(of: "end one a ended 4") ?? 0
        #expect(!told[end...].contains { $0.hasPrefix("message one") })
    }

    @Test("A replay is joined where that is asked for")
    func coalesced() throws {
        let fixture = try self.open()
        for text in ["Hello", ", ", "world"] { try fixture.connection.publish("a", text) }
        fixture.connection.run()
        try fixture.send(subscribe("a", as: "one", with: #","after":0,"coalesce":"text""#))
        #expect(
            try fixture.run()
                == ["subscribed one head=3", "message one 3 a Hello, world", "caught_up one 3"]
        )
        try fixture.send(subscribe("a", as: "two", with: #","coalesce":"json","ref":1"#))
        #expect(try fixture.run() == ["error invalid_parameter #1"])
    }
}
