import HTTPTypes
import NIOCore
import NIOEmbedded
import NIOHTTPTypes
import Testing
import TickertapeCore

@testable import TickertapeAdmin

/// A socket whose outbound half can be closed alone, which an `EmbeddedChannel` has not.
private final class HalfCloses: ChannelOutboundHandler {
    typealias OutboundIn = HTTPResponsePart

    private(set) var count = 0

    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        guard mode == .output else { return context.close(mode: mode, promise: promise) }
        self.count += 1
        promise?.succeed()
    }
}

struct ConnectionRulesTests {
    private static let token = "a-token-for-these-tests"

    private let loop = EmbeddedEventLoop()
    private let limits = Limits()

    private func connect(_ places: DoorPlaces) throws -> EmbeddedChannel {
        let token = try AdminToken(Self.token, from: "the test")
        let channel = EmbeddedChannel(loop: self.loop)
        try channel.pipeline.syncOperations.addHandler(
            ConnectionRules(RequestGuard(door: .network(token)), places, self.limits)
        )
        try channel.connect(to: SocketAddress(unixDomainSocketPath: "/peer")).wait()
        return channel
    }

    private func ask(_ channel: EmbeddedChannel, token: String?) throws {
        var head = HTTPRequest(method: .get, scheme: "http", authority: "a", path: "/")
        if let token { head.headerFields[.authorization] = "Bearer \(token)" }
        try channel.writeInbound(HTTPRequestPart.head(head))
        try channel.writeInbound(HTTPRequestPart.end(nil))
    }

    private func answer(_ channel: EmbeddedChannel, _ status: HTTPResponse.Status) throws {
        try channel.writeOutbound(HTTPResponsePart.head(HTTPResponse(status: status)))
        try channel.writeOutbound(HTTPResponsePart.end(nil))
    }

    private func advance(_ seconds: Double) {
        self.loop.advanceTime(by: .nanoseconds(Int64(seconds * 1_000_000_000)))
    }

    @Test("A connection that does not show the token in time is closed, whatever else it does")
    func proof() throws {
        let places = DoorPlaces(countMax: 3, knowsEverybody: false)
        let (silent, wrong) = (try self.connect(places), try self.connect(places))
        let known = try self.connect(places)
        try self.ask(known, token: Self.token)
        self.advance(self.limits.adminProofSeconds - 1)
        try self.ask(wrong, token: "a-token-that-is-wrong")
        try self.answer(wrong, .unauthorized)
        #expect(silent.isActive && wrong.isActive)
        self.advance(1)
        #expect(!silent.isActive && !wrong.isActive)
        self.advance(100)
        #expect(known.isActive)
    }

    @Test("The oldest stranger makes room, and nobody who has shown the token")
    func places() throws {
        let places = DoorPlaces(countMax: 3, knowsEverybody: false)
        let known = try self.connect(places)
        try self.ask(known, token: Self.token)
        let strangers = [try self.connect(places), try self.connect(places)]
        let third = try self.connect(places)
        #expect(strangers.map(\.isActive) == [false, true])
        try self.ask(third, token: Self.token)
        let fourth = try self.connect(places)
        #expect(strangers.map(\.isActive) == [false, false])
        #expect(places.isAcceptingNewConnections())
        try self.ask(fourth, token: Self.token)
        #expect(!places.isAcceptingNewConnections())
        #expect([known, third, fourth].map(\.isActive) == [true, true, true])
        try third.close().wait()
        self.loop.run()
        #expect(places.isAcceptingNewConnections())
    }

    @Test("A connection that closes lingers behind its last answer, and not for long")
    func lingers() throws {
        let places = DoorPlaces(countMax: 3, knowsEverybody: false)
        let channel = try self.connect(places)
        let halfCloses = HalfCloses()
        try channel.pipeline.syncOperations.addHandler(halfCloses, position: .first)
        var head = HTTPRequest(method: .post, scheme: "http", authority: "a", path: "/")
        head.headerFields[.contentLength] = "1000000"
        try channel.writeInbound(HTTPRequestPart.head(head))
        try self.answer(channel, .unauthorized)
        guard case .head(let answer)? = try channel.readOutbound(as: HTTPResponsePart.self) else {
            Issue.record("there is an answer")
            return
        }
        #expect(answer.headerFields[.connection] == "close")
        let passed = try channel.readInbound(as: HTTPRequestPart.self)
        #expect(passed != nil)
        try channel.writeInbound(HTTPRequestPart.body(ByteBuffer(string: "more")))
        #expect(try channel.readInbound(as: HTTPRequestPart.self) == nil)
        // While it still sends its side stays open, or it might drop the answer.
        #expect(halfCloses.count == 0 && channel.isActive)
        try channel.writeInbound(HTTPRequestPart.end(nil))
        #expect(halfCloses.count == 1 && channel.isActive)
        self.advance(self.limits.lingerSeconds)
        #expect(!channel.isActive)
    }
}
