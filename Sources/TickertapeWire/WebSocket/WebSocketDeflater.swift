import CZlib
package import NIOCore

/// Deflates the messages of the server (RFC 7692 §7.2.1).
///
/// Confined to its event loop. No message builds on one before (`server_no_context_takeover`), so
/// one deflater for each window serves all connections of a loop, and what it made of a payload
/// can go to every subscriber whose window is as large.
package final class WebSocketDeflater {
    /// The windows a client may ask for; zlib has no raw deflate with 8 bits.
    package static let windowBits = 9...15

    /// The fastest.
    ///
    /// Measured on JSON of trades, 600 bytes to 64 KiB: level 3 makes it 1 to 9 % smaller and takes
    /// up to twice the time, level 6 makes it up to 17 % smaller and takes up to six times. The loop
    /// stands still for as long.
    private static let level: Int32 = 1
    /// 160 KiB with the largest window instead of the 256 KiB of zlib's default, to the same effect.
    private static let memoryLevel: Int32 = 6

    /// On the heap: zlib keeps the address.
    private let stream: UnsafeMutablePointer<z_stream>
    private let scratch = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: 16_384)

    package init(windowBits: Int) {
        precondition(Self.windowBits.contains(windowBits), "zlib has no such window")
        self.stream = .allocate(capacity: 1)
        self.stream.initialize(to: z_stream())
        // Negative: raw deflate without a header.
        let status = deflateInit2_(
            self.stream,
            Self.level,
            Z_DEFLATED,
            -Int32(windowBits),
            Self.memoryLevel,
            Z_DEFAULT_STRATEGY,
            ZLIB_VERSION,
            Int32(MemoryLayout<z_stream>.size)
        )
        precondition(status == Z_OK, "zlib has no memory or another version")
    }

    deinit {
        deflateEnd(self.stream)
        self.stream.deallocate()
        self.scratch.deallocate()
    }

    /// Deflates one message: the payload of its frame, without the tail the receiver adds.
    package func deflate(_ payload: ByteBuffer) -> ByteBuffer {
        deflateReset(self.stream)
        var output = ByteBuffer()
        payload.withUnsafeReadableBytes { bytes in
            self.stream.pointee.next_in = bytes.bindMemory(to: UInt8.self).baseAddress
            self.stream.pointee.avail_in = UInt32(bytes.count)
            while self.step(into: &output) {}
            self.stream.pointee.next_in = nil
        }
        let tailBytes = WebSocketInflater.tail.readableBytes
        assert(
            output.readableBytesView.suffix(tailBytes) == WebSocketInflater.tail.readableBytesView
        )
        output.moveWriterIndex(to: output.writerIndex - tailBytes)
        return output
    }

    /// Fills the scratch once; whether there is more to come.
    private func step(into output: inout ByteBuffer) -> Bool {
        self.stream.pointee.next_out = self.scratch.baseAddress
        self.stream.pointee.avail_out = UInt32(self.scratch.count)
        let status = CZlib.deflate(self.stream, Z_SYNC_FLUSH)
        // No progress is no error: the output before ended where the scratch did.
        precondition(status == Z_OK || status == Z_BUF_ERROR, "deflate cannot fail")
        let produced = self.scratch.count - Int(self.stream.pointee.avail_out)
        output.writeBytes(UnsafeBufferPointer(rebasing: self.scratch[..<produced]))
        return self.stream.pointee.avail_out == 0
    }
}
