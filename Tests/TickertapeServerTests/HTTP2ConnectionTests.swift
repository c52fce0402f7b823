import NIOCore
import NIOEmbedded
import NIOHTTP2
import Testing
import TickertapeCore

@testable import TickertapeServer

struct HTTP2ConnectionTests {
    private struct Fixture {
        let stream: StreamFixture
        var channel: EmbeddedChannel { self.stream.parent }
        var server: LoopServer { self.stream.server }
        var connection: HTTP2Connection { self.stream.connection }

        init() throws {
            self.stream = try StreamFixture()
        }

        func receiveSettings() throws {
            try self.channel.writeInbound(
                HTTP2Frame(streamID: .rootStream, payload: .settings(.settings([])))
            )
        }

        func goAways() throws -> [HTTP2StreamID] {
            var all: [HTTP2StreamID] = []
            while let frame = try self.channel.readOutbound(as: HTTP2Frame.self) {
                guard case .goAway(let last, let code, _) = frame.payload else { continue }
                #expect(code == .noError)
                all.append(last)
            }
            return all
        }

        func open(_ id: HTTP2StreamID) {
            self.connection.streamCreated(id, channel: self.stream.channel)
        }

        func close(_ id: HTTP2StreamID) {
            self.connection.streamClosed(id, channel: self.stream.channel)
        }
    }

    @Test("Without the client's settings it is closed in the time of a request")
    func noPreface() throws {
        let fixture = try Fixture()
        fixture.stream.pass(seconds: 29)
        #expect(fixture.channel.isActive)
        fixture.stream.pass(seconds: 2)
        #expect(!fixture.channel.isActive)
        #expect(try fixture.goAways().isEmpty)
    }

    @Test("Idle it says goodbye; with a stream it never is")
    func idle() throws {
        let fixture = try Fixture()
        try fixture.receiveSettings()
        fixture.open(7)
        fixture.stream.pass(seconds: 300)
        #expect(try fixture.goAways().isEmpty)
        fixture.close(7)
        fixture.stream.pass(seconds: 74)
        #expect(try fixture.goAways().isEmpty)
        fixture.stream.pass(seconds: 2)
        #expect(try fixture.goAways() == [7])
        fixture.stream.pass(seconds: 3)
        #expect(!fixture.channel.isActive)
    }

    @Test("A drain waits for open streams, says that no more begin, and ends with the last")
    func drain() throws {
        let fixture = try Fixture()
        try fixture.receiveSettings()
        fixture.open(1)
        fixture.open(3)
        fixture.server.drain()
        fixture.close(1)
        #expect(try fixture.goAways().isEmpty)
        fixture.stream.pass(seconds: 1)
        #expect(try fixture.goAways() == [.maxID])
        fixture.close(3)
        #expect(try fixture.goAways() == [3])
        fixture.stream.pass(seconds: 3)
        #expect(!fixture.channel.isActive)
    }

    @Test("A drain closes a connection without streams soon")
    func drainIdle() throws {
        let fixture = try Fixture()
        try fixture.receiveSettings()
        fixture.server.drain()
        fixture.stream.pass(seconds: 1)
        #expect(try fixture.goAways() == [.rootStream])
    }

    @Test("Frames are found in whatever pieces their bytes come")
    func frameReader() {
        var bytes = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)
        let payloads: [(UInt8, Int)] = [(4, 0), (0, 300), (8, 4), (1, 70_000), (6, 8)]
        for (type, length) in payloads {
            bytes += [UInt8(length >> 16), UInt8(length >> 8 & 255), UInt8(length & 255), type, 1]
            bytes += [UInt8](repeating: 0, count: 4 + length)
        }
        for size in [1, 2, 7, 9, 10, 100, 1_000_000] {
            var reader = FrameReader(prefaceBytes: 24)
            var found: [(UInt8, Int)] = []
            for start in stride(from: 0, to: bytes.count, by: size) {
                let piece = Array(bytes[start..<min(start + size, bytes.count)])
                piece.withUnsafeBytes { piece in
                    reader.read(piece) { found.append(($0.type, $0.length)) }
                }
            }
            #expect(found.map(\.0) == payloads.map(\.0))
            #expect(found.map(\.1) == payloads.map(\.1))
        }
    }

    @Test("Frames that ask for nothing use credit up; time and what was sent give it back")
    func credit() {
        var limits = Limits()
        limits.framesPerSecondMax = 10
        var credit = FrameCredit(limits, tick: 0)
        let update = FrameReader.Frame(type: 8, flags: 0, length: 4)
        for _ in 0..<40 { credit.received(update) }
        #expect(credit.isLeft)
        credit.sent()
        for _ in 0..<2 { credit.received(update) }
        #expect(credit.isLeft)
        credit.received(update)
        #expect(!credit.isLeft)
        credit.refill(tick: LoopServer.ticksPerSecond)
        #expect(credit.isLeft)
        // Requests and their bodies are counted elsewhere.
        for _ in 0..<100 {
            credit.received(FrameReader.Frame(type: 1, flags: 5, length: 50))
            credit.received(FrameReader.Frame(type: 0, flags: 1, length: 1))
            credit.received(FrameReader.Frame(type: 0, flags: 0, length: 16_384))
        }
        #expect(credit.isLeft)
        for _ in 0..<20 { credit.received(FrameReader.Frame(type: 0, flags: 0, length: 1)) }
        #expect(!credit.isLeft)
    }
}
