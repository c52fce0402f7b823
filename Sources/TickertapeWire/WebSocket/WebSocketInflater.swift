import CZlib
package import NIOCore

/// Inflates the messages of clients (RFC 7692 §7.2.2).
///
/// Confined to its event loop. No message builds on one before (`client_no_context_takeover`),
/// so one inflater, with its window of 32 KiB, serves all connections of a loop.
package final class WebSocketInflater {
    package enum Outcome: Equatable {
        case inflated(ByteBuffer)
        /// It would be over the bound; nothing over it was kept.
        case tooBig
        case malformed
    }

    /// What every sender takes off the end of a message (RFC 7692 §7.2.1).
    static let tail = ByteBuffer(bytes: [0x00, 0x00, 0xFF, 0xFF])
    /// Clients may use the largest window: a smaller one is not asked of them.
    private static let windowBits: Int32 = 15

    /// On the heap: zlib keeps the address.
    private let stream: UnsafeMutablePointer<z_stream>
    private let scratch = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: 16_384)

    package init() {
        self.stream = .allocate(capacity: 1)
        self.stream.initialize(to: z_stream())
        // Negative: raw deflate without a header.
        let status = inflateInit2_(
            self.stream,
            -Self.windowBits,
            ZLIB_VERSION,
            Int32(MemoryLayout<z_stream>.size)
        )
        precondition(status == Z_OK, "zlib has no memory or another version")
    }

    deinit {
        inflateEnd(self.stream)
        self.stream.deallocate()
        self.scratch.deallocate()
    }

    /// Inflates one message; stops as soon as it is over `bytesMax`.
    package func inflate(_ payload: ByteBuffer, bytesMax: Int) -> Outcome {
        inflateReset(self.stream)
        var output = ByteBuffer()
        // An empty payload is no deflate data, yet what it means is plain.
        guard payload.readableBytes > 0 else { return .inflated(output) }
        switch self.feed(payload, into: &output, bytesMax) {
        case .final: return .inflated(output)
        case .tooBig: return .tooBig
        case .malformed: return .malformed
        case .consumed: break
        }
        // The tail ends a block, perhaps a final one, and is no text: else the message was cut.
        let bytes = output.readableBytes
        switch self.feed(Self.tail, into: &output, bytesMax) {
        case .final where output.readableBytes == bytes: return .inflated(output)
        case .consumed where self.isBetweenBlocks && output.readableBytes == bytes:
            return .inflated(output)
        case .tooBig, .consumed, .final, .malformed: return .malformed
        }
    }

    private enum Progress {
        case consumed
        /// Consumed, and the last block was marked as the final one.
        case final
        case tooBig
        case malformed
    }

    private func feed(
        _ input: ByteBuffer,
        into output: inout ByteBuffer,
        _ bytesMax: Int
    ) -> Progress {
        input.withUnsafeReadableBytes { bytes in
            self.stream.pointee.next_in = bytes.bindMemory(to: UInt8.self).baseAddress
            self.stream.pointee.avail_in = UInt32(bytes.count)
            defer {
                self.stream.pointee.next_in = nil
                self.stream.pointee.avail_in = 0
            }
            while true {
                if let progress = self.step(into: &output, bytesMax) { return progress }
            }
        }
    }

    /// Fills the scratch once; nothing when there is more to do.
    private func step(into output: inout ByteBuffer, _ bytesMax: Int) -> Progress? {
        self.stream.pointee.next_out = self.scratch.baseAddress
        self.stream.pointee.avail_out = UInt32(self.scratch.count)
        // Stops between blocks, where `isBetweenBlocks` can be told.
        let status = CZlib.inflate(self.stream, Z_BLOCK)
        let produced = self.scratch.count - Int(self.stream.pointee.avail_out)
        guard produced <= bytesMax - output.readableBytes else { return .tooBig }
        output.writeBytes(UnsafeBufferPointer(rebasing: self.scratch[..<produced]))
        let isConsumed = self.stream.pointee.avail_in == 0
        switch status {
        case Z_STREAM_END:
            if isConsumed { return .final }
            // RFC 7692 §7.2.3.4: a final block ends no message; what follows starts anew.
            inflateReset(self.stream)
            return nil
        case Z_OK where !isConsumed || self.stream.pointee.avail_out == 0: return nil
        // No progress was possible: nothing left to read, nothing left to say.
        case Z_OK, Z_BUF_ERROR:
            guard isConsumed else { return .malformed }
            return self.isBetweenBlocks && self.isFinalBlock ? .final : .consumed
        default: return .malformed
        }
    }

    private var isBetweenBlocks: Bool { self.stream.pointee.data_type & 128 != 0 }
    /// Whether the block that is read, or was read last, is marked as the final one.
    private var isFinalBlock: Bool { self.stream.pointee.data_type & 64 != 0 }
}
