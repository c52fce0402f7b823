import NIOCore
import Testing
import TickertapeBroker
import TickertapeCore
import TickertapeTestSupport
import TickertapeWire

@testable import TickertapeServer

/// What a WebSocket is told when operators remove what it follows, or itself.
struct WebSocketRemovalTests {
    private func open() throws -> WebSocketFixture {
        let fixture = try WebSocketFixture()
        for topic in ["a", "b"] {
            try fixture.connection.publish(topic, "x")
            fixture.connection.log.commitAndAnnounce()
        }
        #expect(try fixture.run() == ["hello head=0"])
        return fixture
    }

    private func delete(_ topic: String, in fixture: WebSocketFixture) throws {
        #expect(fixture.connection.log.delete(try TopicName(topic)))
    }

    @Test("A subscription ends with its topics; the connection and the others go on")
    func deleted() throws {
        let fixture = try self.open()
        try fixture.send(
            subscribe("a", as: "one"),
            subscribe("a", "b", as: "two"),
            subscribe("*", as: "all")
        )
        #expect(try fixture.run().count == 6)
        try self.delete("a", in: fixture)
        #expect(try fixture.run() == ["end one a deleted"])
        try self.delete("b", in: fixture)
        #expect(try fixture.run() == ["end two b deleted"])
        try fixture.send(unsubscribe("two", ref: 1), subscribe("c", as: "one"))
        #expect(
            try fixture.run()
                == ["error unknown_subscription #1", "subscribed one head=2", "caught_up one 2"]
        )
        try fixture.connection.publish("a", "new")
        #expect(try fixture.run() == ["message all 3 a new"])
        #expect(!fixture.isClosed)
    }

    @Test("Who subscribes to deleted topics alone gets an error until one is created again")
    func subscribeLater() throws {
        let fixture = try self.open()
        try self.delete("a", in: fixture)
        try fixture.send(
            subscribe("a", as: "one", with: #","ref":1,"after":0"#),
            subscribe("a", "b", as: "two")
        )
        #expect(
            try fixture.run()
                == ["error topic_deleted #1", "subscribed two head=2", "caught_up two 2"]
        )
        try fixture.send(publish("a", "new", ref: 2))
        #expect(Set(try fixture.run()) == ["published 3 a #2", "message two 3 a new"])
        try fixture.send(subscribe("a", as: "one", with: #","after":0"#))
        #expect(
            try fixture.run()
                == [
                    "subscribed one head=3", "gap one retention 0->3", "message one 3 a new",
                    "caught_up one 3",
                ]
        )
    }

    @Test("A subscription whose socket is full ends too, and does not stand in the others' way")
    func full() throws {
        let fixture = try self.open()
        try fixture.send(subscribe("a", as: "one"), subscribe("*", as: "all"))
        #expect(try fixture.run().count == 4)
        fixture.socket.stall(true)
        try fixture.connection.publish("a", "y")
        fixture.connection.run()
        try fixture.connection.publish("b", "z")
        fixture.connection.run()
        try self.delete("a", in: fixture)
        fixture.connection.run()
        fixture.socket.stall(false)
        let told = try fixture.run()
        #expect(told.count { $0 == "end one a deleted" } == 1)
        #expect(told.last == "message all 4 b z")
        #expect(try fixture.run() == [])
    }

    @Test("A connection that an operator ends is closed with the code that asks it back")
    func disconnected() throws {
        let fixture = try self.open()
        try fixture.send(subscribe("a", as: "one"), subscribe("b", as: "two"))
        #expect(try fixture.run().count == 4)
        let fanout = fixture.connection.server.fanout
        let isDone = fanout.disconnect(subscriber: 2)
        #expect(try fixture.run() == ["CLOSE 1012"])
        #expect(try isDone.wait())
        let again = fanout.disconnect(subscriber: 1)
        #expect(try fixture.run() == [])
        #expect(try !again.wait(), "the connection has taken all of them along")
        try fixture.send(.close, [0x03, 0xF4])
        #expect(fixture.socket.isOutputClosed)
    }
}
