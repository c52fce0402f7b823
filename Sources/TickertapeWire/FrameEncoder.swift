package import NIOCore
package import TickertapeCore

/// Writes messages and what stands between them in the format of a subscription.
///
/// Confined to one thread; it keeps the scratch space that framing and compressing need.
package final class FrameEncoder {
    private var text = ByteBuffer()
    private var deflaters: [Int: WebSocketDeflater] = [:]
    private let compressionBytesMin: Int

    /// Scratch space over this is given back.
    private static let textBytesKept = 65_536

    package init(limits: Limits) {
        self.compressionBytesMin = limits.compressionBytesMin
    }

    package func write(
        _ message: Message,
        as format: WireFormat,
        into buffer: inout ByteBuffer
    ) {
        switch format {
        case .eventStream: EventStreamFrame.write(message, into: &buffer)
        case .webSocket(let name, let windowBits):
            self.writeText(windowBits: windowBits, into: &buffer) {
                WebSocketMessage.write(message, for: name, into: &$0)
            }
        }
    }

    package func write(_ gap: Gap, as format: WireFormat, into buffer: inout ByteBuffer) {
        switch format {
        case .eventStream: EventStreamFrame.write(gap, into: &buffer)
        case .webSocket(let name, _):
            self.writeText(windowBits: nil, into: &buffer) {
                WebSocketMessage.write(gap, for: name, into: &$0)
            }
        }
    }

    /// Everything up to `id` has been passed over.
    package func writeCursor(
        _ id: Int64,
        as format: WireFormat,
        into buffer: inout ByteBuffer
    ) {
        switch format {
        case .eventStream: EventStreamFrame.writeCursor(id, into: &buffer)
        case .webSocket(let name, _):
            self.writeText(windowBits: nil, into: &buffer) {
                WebSocketMessage.writeCursor(id, for: name, into: &$0)
            }
        }
    }

    /// Replay has reached the live tail.
    package func writeCaughtUp(
        _ id: Int64,
        as format: WireFormat,
        into buffer: inout ByteBuffer
    ) {
        switch format {
        case .eventStream: EventStreamFrame.writeCaughtUp(id, into: &buffer)
        case .webSocket(let name, _):
            self.writeText(windowBits: nil, into: &buffer) {
                WebSocketMessage.writeCaughtUp(id, for: name, into: &$0)
            }
        }
    }

    /// Frames a whole write.
    package func wrap(_ frames: ByteBuffer, as format: WireFormat) -> ByteBuffer {
        guard frames.readableBytes > 0 else { return frames }
        switch format {
        case .eventStream(let framing): return framing.wrap(frames)
        case .webSocket: return frames
        }
    }

    /// Writes one WebSocket message, compressed where that is agreed on and worth it.
    package func writeWebSocket(
        _ opcode: WebSocketOpcode,
        _ payload: ByteBuffer,
        windowBits: Int?,
        into buffer: inout ByteBuffer
    ) {
        guard let windowBits, payload.readableBytes >= self.compressionBytesMin else {
            WebSocketFrame.write(opcode, payload, isCompressed: false, into: &buffer)
            return
        }
        let compressed = self.deflater(windowBits).deflate(payload)
        WebSocketFrame.write(opcode, compressed, isCompressed: true, into: &buffer)
    }

    private func writeText(
        windowBits: Int?,
        into buffer: inout ByteBuffer,
        _ write: (inout ByteBuffer) -> Void
    ) {
        self.text.clear(minimumCapacity: 256)
        write(&self.text)
        self.writeWebSocket(.text, self.text, windowBits: windowBits, into: &buffer)
        if self.text.capacity > Self.textBytesKept { self.text = ByteBuffer() }
    }

    private func deflater(_ windowBits: Int) -> WebSocketDeflater {
        if let known = self.deflaters[windowBits] { return known }
        let made = WebSocketDeflater(windowBits: windowBits)
        self.deflaters[windowBits] = made
        return made
    }
}
