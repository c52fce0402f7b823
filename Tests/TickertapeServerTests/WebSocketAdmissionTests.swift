import Foundation
import NIOCore
import NIOEmbedded
import NIOHTTP1
import Testing
import TickertapeAccess
import TickertapeCore
import TickertapeWire

@testable import TickertapeServer

/// Who may do what on a WebSocket.
struct WebSocketAdmissionTests {
    private func closed() -> AdmissionFixture {
        var admission = AdmissionFixture()
        admission.configuration.isOpen = false
        return admission
    }

    private func told(_ socket: WebSocketFixture) throws -> String {
        socket.connection.run()
        return try socket.told().joined(separator: "\n")
    }

    @Test("A credential may come as the first command")
    func auth() throws {
        let admission = self.closed()
        let token = try admission.makeToken(publish: ["chat/*"], subscribe: ["chat/*"])
        let socket = try WebSocketFixture(admission)
        _ = try self.told(socket)
        try socket.send(#"{"ref":1,"type":"subscribe","topics":["chat/a"]}"#)
        #expect(try self.told(socket).contains("error unauthorized #1"))
        try socket.send(#"{"ref":2,"type":"auth","token":"\#(token)"}"#)
        #expect(try self.told(socket) == "authorized #2")
        try socket.send(
            #"{"ref":3,"type":"subscribe","topics":["chat/a"]}"#,
            #"{"ref":4,"type":"publish","topic":"chat/a","data":"x"}"#,
            #"{"ref":5,"type":"publish","topic":"news","data":"x"}"#,
            #"{"ref":6,"type":"subscribe","topics":["**"]}"#
        )
        let told = try self.told(socket)
        #expect(told.contains("subscribed 2 head=0 #3"))
        #expect(told.contains("published 1 chat/a #4"))
        #expect(told.contains("error forbidden #5"))
        #expect(told.contains("error forbidden #6"))
    }

    @Test("Without one it is closed after ten seconds, unless something is granted to everyone")
    func silence() throws {
        var admission = self.closed()
        let socket = try WebSocketFixture(admission)
        _ = try self.told(socket)
        socket.connection.pass(seconds: 9)
        #expect(try !self.told(socket).contains("4401"))
        socket.connection.pass(seconds: 1.25)
        #expect(try self.told(socket).contains("4401"))

        admission.configuration.anonymous = Grant(
            publish: [],
            subscribe: [try TopicPattern("public/**")]
        )
        let other = try WebSocketFixture(admission)
        try other.send(#"{"ref":1,"type":"subscribe","topics":["public/a"]}"#)
        #expect(try self.told(other).contains("subscribed"))
        other.connection.pass(seconds: 12)
        #expect(try !self.told(other).contains("4401"))
    }

    @Test("A bad credential is told and ends the connection")
    func bad() throws {
        let socket = try WebSocketFixture(self.closed())
        try socket.send(#"{"ref":"a","type":"auth","token":"nonsense"}"#)
        let told = try self.told(socket)
        #expect(told.contains("error invalid_token #a"))
        #expect(told.contains("4401"))
        #expect(!told.contains("nonsense"))
    }

    @Test("A fresh credential takes the place of the last; what it does not grant ends")
    func fresh() throws {
        let admission = self.closed()
        let soon = Int64(Date().timeIntervalSince1970 * 1_000) + 20_000
        let first = try admission.makeToken(subscribe: ["**"], expiresMilliseconds: soon)
        let second = try admission.makeToken(subscribe: ["a"])
        let socket = try WebSocketFixture(
            fields: "Authorization: Bearer \(first)\r\n",
            admission
        )
        try socket.send(
            #"{"ref":1,"type":"subscribe","topics":["a"],"subscription":"kept"}"#,
            #"{"ref":2,"type":"subscribe","topics":["b"],"subscription":"ended"}"#
        )
        _ = try self.told(socket)
        socket.connection.pass(seconds: 0.25)
        #expect(try self.told(socket).contains("expiring"))
        try socket.send(#"{"ref":3,"type":"auth","token":"\#(second)"}"#)
        let told = try self.told(socket)
        #expect(told == "authorized #3\nerror forbidden")
        admission.revoke(1)
        socket.connection.pass(seconds: 0.5)
        try socket.connection.publish("a", "still here")
        #expect(try self.told(socket).contains("still here"))
        admission.revoke(2)
        socket.connection.pass(seconds: 0.5)
        #expect(try self.told(socket).contains("4401"))
    }

    @Test("Who publishes too fast is told so, and the rest waits")
    func tooFast() throws {
        var limits = Limits()
        limits.clientPublishesPerSecond = 1
        let socket = try WebSocketFixture(limits)
        let publish = #"{"ref":1,"type":"publish","topic":"a","data":"x"}"#
        try socket.send(publish, publish, #"{"ref":9,"type":"ping"}"#)
        let told = try self.told(socket)
        #expect(told.contains("published 1 a #1"))
        #expect(told.contains("error rate_limited #1"))
        #expect(!told.contains("pong"))
        socket.connection.loop.advanceTime(by: .seconds(1))
        #expect(try self.told(socket).contains("pong"))
    }
}
