import NIOCore
import NIOEmbedded
import Testing
import TickertapeCore
import TickertapeWire

@testable import TickertapeServer

/// A client and its WebSocket, on a loop whose time stands still.
final class WebSocketFixture {
    let connection: ConnectionFixture
    let socket: SimulatedSocket
    /// The answer to the handshake.
    let head: String
    private var frames = ServerFrames()

    var channel: EmbeddedChannel { self.connection.channel }

    /// Without a protocol it says nothing of one, as a suite that tests WebSockets.
    init(
        _ limits: Limits = Limits(),
        path: String = "/ws",
        protocol subprotocol: String? = "tickertape.v1",
        extensions: String? = nil,
        fields: String = "",
        _ admission: AdmissionFixture = AdmissionFixture()
    ) throws {
        var features = Features()
        features.hasWebSocketEcho = true
        self.connection = try ConnectionFixture(limits, features, admission)
        self.socket = try SimulatedSocket(below: self.connection.channel)
        var request = """
            GET \(path) HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r
            Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n
            """
        if let subprotocol { request += "Sec-WebSocket-Protocol: \(subprotocol)\r\n" }
        if let extensions { request += "Sec-WebSocket-Extensions: \(extensions)\r\n" }
        try self.connection.send(request + fields + "\r\n")
        // The parser of requests leaves in the next turn.
        self.connection.loop.run()
        let bytes = self.socket.take()
        let end = try #require(bytes.firstRange(of: Array("\r\n\r\n".utf8)), "no answer")
        self.head = String(decoding: bytes[..<end.lowerBound], as: UTF8.self)
        self.frames.append(bytes[end.upperBound...])
    }

    convenience init(fields: String = "", _ admission: AdmissionFixture) throws {
        try self.init(Limits(), fields: fields, admission)
    }

    // MARK: - The client

    /// Sends commands in one piece.
    func send(_ commands: String...) throws {
        try self.connection.send(commands.flatMap { masked(.text, Array($0.utf8)) })
    }

    func send(_ opcode: WebSocketOpcode, _ payload: [UInt8] = []) throws {
        try self.connection.send(masked(opcode, payload))
    }

    /// What has come from the server since this was last asked, each frame in a few words.
    func told() throws -> [String] {
        var told = try self.frames.all()
        while true {
            let bytes = self.socket.take()
            guard !bytes.isEmpty else { return told }
            self.frames.append(bytes)
            told += try self.frames.all()
        }
    }

    /// Reads up to `count` bytes.
    ///
    /// - Returns: The frames that are complete, each in a few words.
    func read(_ count: Int) throws -> [String] {
        self.frames.append(self.socket.take(count))
        return try self.frames.all()
    }

    /// Lets log and loop do everything that is due, and reads what comes of it.
    func run() throws -> [String] {
        self.connection.run()
        return try self.told()
    }

    /// Lets seconds pass for deadlines.
    func pass(seconds: Double) throws -> [String] {
        self.connection.pass(seconds: seconds)
        return try self.told()
    }

    /// The client closes its side of the connection.
    func endInput() {
        self.channel.pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
        self.connection.loop.run()
    }

    // MARK: - The server

    /// Whether the server reads from the connection.
    var isRead: Bool {
        let option = self.channel.options.first { $0.option is ChannelOptions.Types.AutoReadOption }
        return option?.value as? Bool ?? true
    }

    /// Whether it has closed the connection as a whole.
    var isClosed: Bool { !self.channel.isActive }
}

/// A frame of a client (RFC 6455 §5.2).
func masked(_ opcode: WebSocketOpcode, _ payload: [UInt8], isFinal: Bool = true) -> [UInt8] {
    var bytes = [opcode.rawValue | (isFinal ? 0x80 : 0)]
    switch payload.count {
    case ...125: bytes.append(0x80 | UInt8(payload.count))
    case ...0xFFFF: bytes += [0x80 | 126] + bigEndian(payload.count, bytes: 2)
    default: bytes += [0x80 | 127] + bigEndian(payload.count, bytes: 8)
    }
    let mask: [UInt8] = [0x37, 0xFA, 0x21, 0x3D]
    bytes += mask
    for (index, byte) in payload.enumerated() { bytes.append(byte ^ mask[index & 3]) }
    return bytes
}

func bigEndian(_ number: Int, bytes count: Int) -> [UInt8] {
    (0..<count).reversed().map { UInt8(truncatingIfNeeded: number >> (8 * $0)) }
}

/// The bytes of `"data"` as a JSON value would have them, for tests that need no escapes.
private func quoted(_ text: String) -> String { "\"\(text)\"" }

func ping(_ ref: Int) -> String { #"{"type":"ping","ref":\#(ref)}"# }

func publish(_ topic: String, _ data: String, ref: Int, key: String? = nil) -> String {
    let key = key.map { #","idempotency_key":"\#($0)""# } ?? ""
    return #"{"type":"publish","topic":"\#(topic)","data":"\#(data)","ref":\#(ref)\#(key)}"#
}

/// `more` is what stands behind the topics, as JSON.
func subscribe(_ topics: String..., as name: String? = nil, with more: String = "") -> String {
    let name = name.map { #","subscription":\#(quoted($0))"# } ?? ""
    let topics = topics.map(quoted).joined(separator: ",")
    return #"{"type":"subscribe","topics":[\#(topics)]\#(name)\#(more)}"#
}

func unsubscribe(_ name: String, ref: Int) -> String {
    #"{"type":"unsubscribe","subscription":"\#(name)","ref":\#(ref)}"#
}
