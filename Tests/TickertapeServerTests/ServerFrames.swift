import Foundation
import NIOCore
import TickertapeTestSupport
import TickertapeWire

/// What a client makes of the bytes of a WebSocket: each frame in a few words.
struct ServerFrames {
    struct Broken: Error {
        let sentence: String
    }

    private var unread: [UInt8] = []

    mutating func append(_ bytes: some Sequence<UInt8>) {
        self.unread.append(contentsOf: bytes)
    }

    /// The frames that are complete.
    mutating func all() throws -> [String] {
        var frames: [String] = []
        var rest = self.unread[...]
        while let frame = try Self.next(in: &rest) { frames.append(frame) }
        self.unread = Array(rest)
        return frames
    }

    private static func next(in rest: inout ArraySlice<UInt8>) throws -> String? {
        let bytes = Array(rest.prefix(10))
        guard bytes.count >= 2 else { return nil }
        guard bytes[0] & 0xB0 == 0x80, bytes[1] & 0x80 == 0,
            let opcode = WebSocketOpcode(rawValue: bytes[0] & 0x0F)
        else { throw Broken(sentence: "a frame begins with \(bytes[0]), \(bytes[1])") }
        let lengthBytes = bytes[1] == 126 ? 2 : bytes[1] == 127 ? 8 : 0
        guard bytes.count >= 2 + lengthBytes else { return nil }
        let length =
            lengthBytes == 0
            ? Int(bytes[1]) : bytes[2..<2 + lengthBytes].reduce(0) { $0 << 8 | Int($1) }
        guard rest.count >= 2 + lengthBytes + length else { return nil }
        let payload = Array(rest.dropFirst(2 + lengthBytes).prefix(length))
        rest = rest.dropFirst(2 + lengthBytes + length)
        return try self.described(opcode, payload, isCompressed: bytes[0] & 0x40 != 0)
    }

    private static func described(
        _ opcode: WebSocketOpcode,
        _ payload: [UInt8],
        isCompressed: Bool
    ) throws -> String {
        switch opcode {
        case .text where isCompressed:
            let inflated = WebSocketInflater().inflate(ByteBuffer(bytes: payload), bytesMax: .max)
            guard case .inflated(let text) = inflated else {
                throw Broken(sentence: "what is compressed cannot be read")
            }
            return "~" + (try words(of: Array(text.readableBytesView)))
        case .text: return try words(of: payload)
        case .binary: return "binary \(payload)"
        case .ping: return "PING"
        case .pong: return "PONG \(String(decoding: payload, as: UTF8.self))"
        case .close where payload.isEmpty: return "CLOSE"
        case .close: return "CLOSE \(Int(payload[0]) << 8 | Int(payload[1]))"
        case .continuation: throw Broken(sentence: "a server never sends fragments")
        }
    }
}

/// A message of the server in a few words: its type, the values that matter, and the ref.
///
/// What is no object with a type stands as it is.
private func words(of payload: [UInt8]) throws -> String {
    guard let object = try? JSONSerialization.jsonObject(with: Data(payload)) as? [String: Any],
        let type = object["type"] as? String
    else { return String(decoding: payload, as: UTF8.self) }
    func value(_ name: String) -> String { object[name].map { "\($0)" } ?? "?" }
    var words = [type]
    switch type {
    case "hello": words.append("head=\(value("head"))")
    case "subscribed": words += [value("subscription"), "head=\(value("head"))"]
    case "unsubscribed": words.append(value("subscription"))
    case "message":
        words += [value("subscription"), value("id"), value("topic"), value("data")]
    case "caught_up", "cursor": words += [value("subscription"), value("id")]
    case "gap":
        let after = object["after"] is NSNull ? "null" : value("after")
        words += [value("subscription"), value("reason"), "\(after)->\(value("resumed"))"]
    case "published":
        words += [value("id"), value("topic")]
        if object["repeated"] != nil { words.append("repeated") }
        if object["ended"] != nil { words.append("ended") }
    case "end":
        words += [value("subscription"), value("topic"), value("reason")]
        if object["last_id"] != nil { words.append(value("last_id")) }
    case "stopped": words += [value("topic"), value("reason"), value("last_id")]
    case "error": words.append(value("code"))
    default: break
    }
    if object["ref"] != nil { words.append("#\(value("ref"))") }
    return words.joined(separator: " ")
}
