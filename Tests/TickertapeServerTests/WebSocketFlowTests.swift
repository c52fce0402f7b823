import NIOCore
import NIOEmbedded
import Testing
import TickertapeCore
import TickertapeTestSupport

@testable import TickertapeServer

/// Several subscriptions share a socket that is full now and then.
struct WebSocketFlowTests {
    private func open(_ commands: String...) throws -> WebSocketFixture {
        var limits = Limits()
        limits.recentBytesMax = 1
        let fixture = try WebSocketFixture(limits)
        for command in commands { try fixture.send(command) }
        _ = try fixture.run()
        return fixture
    }

    private func publishes(_ topics: [String], _ fixture: WebSocketFixture) throws {
        for topic in topics { try fixture.connection.publish(topic, "x") }
        fixture.connection.run()
    }

    /// The ids that a subscription was sent.
    private func ids(_ name: String, _ told: [String]) -> [Int] {
        told.filter { $0.hasPrefix("message \(name) ") }.compactMap {
            Int($0.split(separator: " ")[2])
        }
    }

    @Test("When the socket drains they are all served, one after the other")
    func allServed() throws {
        let fixture = try self.open(subscribe("a"), subscribe("b"), subscribe("*"))
        fixture.socket.stall(true)
        for _ in 0..<4 { try self.publishes(["a", "b"], fixture) }
        fixture.socket.stall(false)
        let told = try fixture.told() + fixture.run()
        #expect(self.ids("1", told) == [1, 3, 5, 7])
        #expect(self.ids("2", told) == [2, 4, 6, 8])
        #expect(self.ids("3", told) == Array(1...8))
    }

    @Test("One that has nothing to write when it is woken wakes the next")
    func nothingToWrite() throws {
        let fixture = try self.open(subscribe("a"), subscribe("b"), subscribe("c"))
        fixture.socket.stall(true)
        try self.publishes(["a", "b", "c"], fixture)
        try self.publishes(["c"], fixture)
        fixture.socket.stall(false)
        let told = try fixture.told() + fixture.run()
        #expect(self.ids("3", told) == [3, 4])
        try self.publishes(["a", "b", "c"], fixture)
        #expect(try fixture.told().count == 3, "all are live again")
    }

    @Test("One that has ended when it is woken, or right then, does not keep the others")
    func endedWhenWoken() throws {
        let fixture = try self.open(subscribe("a"), subscribe("b"), subscribe("c"))
        fixture.socket.stall(true)
        try self.publishes(["a", "b", "c"], fixture)
        try self.publishes(["c"], fixture)
        // Looked at as soon as there is room: then the first is awake already.
        try fixture.send(unsubscribe("1", ref: 1), unsubscribe("2", ref: 2))
        fixture.socket.stall(false)
        let told = try fixture.told() + fixture.run()
        #expect(self.ids("3", told) == [3, 4])
        try self.publishes(["a", "b", "c"], fixture)
        #expect(try fixture.told() == ["message 3 7 c x"])
    }

    @Test("One whose tail is still to be found when it is woken does not keep the others")
    func wokenWhileStarting() throws {
        let fixture = try self.open(subscribe("b", as: "other"))
        let (log, loop) = (fixture.connection.log, fixture.connection.loop)
        fixture.socket.stall(true)
        // Its reply fills the socket, and so it is the first that waits for room.
        try fixture.send(subscribe("a", as: "tail", with: #","tail":5"#))
        #expect(log.readCount == 1)
        try fixture.connection.publish("b", "x")
        log.commitAndAnnounce()
        loop.advanceTime(by: .milliseconds(1))
        fixture.socket.stall(false)
        loop.advanceTime(by: .milliseconds(1))
        // Only now the log says that there is nothing to replay.
        #expect(log.answerRead(at: 0))
        loop.advanceTime(by: .milliseconds(1))
        try fixture.connection.publish("b", "y")
        let told = try fixture.told() + fixture.run()
        #expect(told.contains("caught_up tail 1"))
        #expect(self.ids("other", told) == [1, 2])
    }

    @Test("What waits for a full socket does not grow with its subscriptions")
    func sharedBytes() throws {
        let fixture = try self.open()
        let count = 20
        for _ in 0..<count { try fixture.send(subscribe("a")) }
        _ = try fixture.run()
        fixture.socket.stall(true)
        let long = String(repeating: "x", count: 50_000)
        try fixture.connection.publish("a", long)
        fixture.connection.run()
        // Rule 19.22: they share the bytes held. One write may exceed the bound.
        #expect(fixture.socket.waitingBytesMax <= 65_536 + 131_072)
        fixture.socket.stall(false)
        let told = try fixture.told() + fixture.run()
        #expect(told.count { $0.hasPrefix("message ") } == count)
    }
}
