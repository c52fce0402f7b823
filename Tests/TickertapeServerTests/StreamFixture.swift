import NIOCore
import NIOEmbedded
import NIOHPACK
import NIOHTTP2
import Testing
import TickertapeBroker
import TickertapeCore
import TickertapeLog
import TickertapeTestSupport

@testable import TickertapeServer

/// One stream of an HTTP/2 connection on a loop whose time stands still, over a simulated log.
final class StreamFixture {
    let log: SimulatedLog
    let loop = EmbeddedEventLoop()
    let server: LoopServer
    let connection: HTTP2Connection
    /// The connection, whose frames are seen as they are.
    let parent: EmbeddedChannel
    let channel: EmbeddedChannel
    private let broker: Broker
    private let count: ConnectionCount

    init(_ limits: Limits = Limits()) throws {
        self.log = SimulatedLog(.stepwise, queueMessagesMax: limits.queueMessagesMax)
        self.broker = Broker(log: self.log, eventLoops: [self.loop], limits: limits)
        self.count = ConnectionCount(emptied: self.loop.makePromise())
        let admission = try AdmissionFixture().admission(limits)
        self.server = LoopServer(
            fanout: self.broker.fanout(on: self.loop),
            limits: limits,
            features: Features(),
            count: self.count,
            admission: admission
        )
        self.connection = HTTP2Connection(server: self.server)
        self.parent = EmbeddedChannel(loop: self.loop)
        try self.parent.pipeline.syncOperations.addHandler(self.connection)
        try self.parent.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
        self.channel = EmbeddedChannel(loop: self.loop)
        let codec = StreamCodec(server: self.server, connection: self.connection)
        let pipeline = self.channel.pipeline.syncOperations
        try pipeline.addHandler(codec)
        try pipeline.addHandler(
            ConnectionHandler(
                server: self.server,
                peer: admission.peer(isSecure: true),
                stream: codec
            )
        )
        try self.channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
    }

    deinit {
        _ = try? self.channel.finish(acceptAlreadyClosed: true)
        _ = try? self.parent.finish(acceptAlreadyClosed: true)
        self.count.giveUp()
        self.loop.run()
    }

    /// Sends the head of a request.
    func send(
        _ method: String,
        _ path: String,
        _ fields: [(String, String)] = [("host", "a")],
        ends: Bool = true
    ) throws {
        let head = HPACKHeaders(
            [(":method", method), (":scheme", "https"), (":path", path)] + fields
        )
        try self.channel.writeInbound(
            HTTP2Frame.FramePayload.headers(.init(headers: head, endStream: ends))
        )
    }

    func send(data: String, ends: Bool) throws {
        let bytes = IOData.byteBuffer(ByteBuffer(string: data))
        try self.channel.writeInbound(
            HTTP2Frame.FramePayload.data(.init(data: bytes, endStream: ends))
        )
    }

    /// Lets log and loop do everything that is due.
    func run() {
        for _ in 0..<400 {
            self.loop.advanceTime(by: .microseconds(10))
            self.log.commitAndAnnounce()
            while self.log.answerRead(at: 0) {}
        }
    }

    /// Lets seconds pass for deadlines.
    func pass(seconds: Double) {
        for _ in 0..<Int(seconds * Double(LoopServer.ticksPerSecond)) { self.server.advance() }
        self.loop.run()
    }

    func publish(_ topic: String, _ data: String) throws {
        let draft = Draft(topic: try TopicName(topic), data: data)
        precondition(self.log.admit(draft), "there is room")
        self.log.append([draft]) { _ in }
    }

    /// What was sent since this was last asked.
    func sent() throws -> StreamOutput {
        var output = StreamOutput()
        while let frame = try self.channel.readOutbound(as: HTTP2Frame.FramePayload.self) {
            switch frame {
            case .headers(let headers):
                output.heads.append(headers.headers)
                output.isEnded = headers.endStream
            case .data(let data):
                guard case .byteBuffer(let bytes) = data.data else { continue }
                output.pieces.append(String(buffer: bytes))
                output.isEnded = data.endStream
            case .rstStream(let code): output.reset = code
            default: Issue.record("no such frame is sent on a stream: \(frame)")
            }
        }
        return output
    }
}

/// The frames of one answer.
struct StreamOutput {
    var heads: [HPACKHeaders] = []
    var pieces: [String] = []
    var isEnded = false
    var reset: HTTP2ErrorCode?

    var body: String { self.pieces.joined() }

    subscript(name: String) -> String? { self.heads.last?.first(name: name) }
}
