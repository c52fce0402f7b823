import NIOCore

/// The header of a client's frame (RFC 6455 §5.2), as it came; the reader judges it.
struct WebSocketFrameHeader {
    let isFinal: Bool
    /// RSV1 marks a compressed message (RFC 7692 §6).
    let hasRSV1: Bool
    let hasOtherReserved: Bool
    /// Nothing when the value is reserved.
    let opcode: WebSocketOpcode?
    let isMasked: Bool
    /// In the order of the bytes on the wire, whatever that is as a number here.
    let mask: UInt32
    /// Over `Int.max` only when the top bit is set, which §5.2 forbids.
    let payloadBytes: UInt64

    static let bytesMax = 14

    /// Takes a header off `input`; nothing, and nothing taken, when it is not whole yet.
    static func read(from input: inout ByteBuffer) -> Self? {
        let start = input.readerIndex
        guard let first = input.getInteger(at: start, as: UInt8.self),
            let second = input.getInteger(at: start + 1, as: UInt8.self)
        else { return nil }
        let lengthBytes =
            switch second & 0x7F {
            case 126: 2
            case 127: 8
            default: 0
            }
        let isMasked = second & 0x80 != 0
        let bytes = 2 + lengthBytes + (isMasked ? 4 : 0)
        guard input.readableBytes >= bytes else { return nil }
        let length =
            switch lengthBytes {
            case 2: input.getInteger(at: start + 2, as: UInt16.self).map(UInt64.init)
            case 8: input.getInteger(at: start + 2, as: UInt64.self)
            default: UInt64(second & 0x7F)
            }
        let mask: UInt32? =
            isMasked ? input.getInteger(at: start + 2 + lengthBytes, endianness: .host) : 0
        guard let length, let mask else { return nil }
        input.moveReaderIndex(forwardBy: bytes)
        return Self(
            isFinal: first & 0x80 != 0,
            hasRSV1: first & 0x40 != 0,
            hasOtherReserved: first & 0x30 != 0,
            opcode: WebSocketOpcode(rawValue: first & 0x0F),
            isMasked: isMasked,
            mask: mask,
            payloadBytes: length
        )
    }
}

extension ByteBuffer {
    /// Moves `count` bytes from `source` to the end of this buffer and takes the mask off them
    /// (RFC 6455 §5.3), eight at a time.
    ///
    /// - Returns: The mask for the bytes that follow.
    mutating func moveUnmasked(_ count: Int, from source: inout ByteBuffer, mask: UInt32) -> UInt32
    {
        let wide = UInt64(mask) << 32 | UInt64(mask)
        source.readWithUnsafeReadableBytes { input in
            self.writeWithUnsafeMutableBytes(minimumWritableBytes: count) { output in
                var index = 0
                while index + 8 <= count {
                    let eight = input.loadUnaligned(fromByteOffset: index, as: UInt64.self)
                    output.storeBytes(of: eight ^ wide, toByteOffset: index, as: UInt64.self)
                    index += 8
                }
                withUnsafeBytes(of: wide) { key in
                    // `index` is a multiple of eight: the key begins anew.
                    for offset in index..<count {
                        output[offset] = input[offset] ^ key[offset - index]
                    }
                }
                return count
            }
        }
        return mask.rotated(byBytes: count)
    }
}

extension UInt32 {
    /// A key in wire order as it applies `count` bytes later.
    fileprivate func rotated(byBytes count: Int) -> UInt32 {
        let bits = UInt32(truncatingIfNeeded: count & 3) * 8
        // Unequal for the two byte orders, since the number holds the bytes in memory order.
        let wire = UInt32(bigEndian: self)
        let rotated = bits == 0 ? wire : wire << bits | wire >> (32 - bits)
        return rotated.bigEndian
    }
}
