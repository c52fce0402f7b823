package import NIOCore

extension ByteBuffer {
    /// Writes `text` as a JSON string with its quotes (RFC 8259 §7).
    ///
    /// Only `"`, `\` and U+0000 to U+001F are escaped; everything else goes out as UTF-8.
    package mutating func writeJSON(string text: String) {
        self.writeInteger(UInt8(ascii: "\""))
        var clean = text.utf8.startIndex
        var index = clean
        while index != text.utf8.endIndex {
            let byte = text.utf8[index]
            let next = text.utf8.index(after: index)
            if byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") {
                self.writeSubstring(text[clean..<index])
                self.writeEscaped(byte)
                clean = next
            }
            index = next
        }
        self.writeSubstring(text[clean...])
        self.writeInteger(UInt8(ascii: "\""))
    }

    private mutating func writeEscaped(_ byte: UInt8) {
        switch byte {
        case UInt8(ascii: "\""): self.writeStaticString("\\\"")
        case UInt8(ascii: "\\"): self.writeStaticString("\\\\")
        case 0x08: self.writeStaticString("\\b")
        case 0x09: self.writeStaticString("\\t")
        case 0x0A: self.writeStaticString("\\n")
        case 0x0C: self.writeStaticString("\\f")
        case 0x0D: self.writeStaticString("\\r")
        default:
            self.writeStaticString("\\u00")
            self.writeInteger(hexadecimalDigit(byte >> 4))
            self.writeInteger(hexadecimalDigit(byte & 0x0F))
        }
    }

    /// Writes a number in plain decimal digits.
    package mutating func writeDecimal(_ value: Int64) {
        guard value >= 0 else {
            self.writeString(String(value))
            return
        }
        // The 19 digits of Int64.max, filled from the end; no String on this path.
        withUnsafeTemporaryAllocation(byteCount: 20, alignment: 1) { digits in
            var rest = UInt64(value)
            var first = digits.count
            repeat {
                first -= 1
                digits[first] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10)
                rest /= 10
            } while rest > 0
            self.writeBytes(UnsafeRawBufferPointer(rebasing: digits[first...]))
        }
    }

    /// Writes a size in the hexadecimal digits of chunk framing (RFC 9112 §7.1).
    package mutating func writeHexadecimal(_ value: Int) {
        precondition(value >= 0, "a size is not negative")
        var shift = max(0, (UInt.bitWidth - value.leadingZeroBitCount + 3) / 4 * 4 - 4)
        while true {
            self.writeInteger(hexadecimalDigit(UInt8(truncatingIfNeeded: value >> shift) & 0x0F))
            if shift == 0 { return }
            shift -= 4
        }
    }
}

func hexadecimalDigit(_ value: UInt8) -> UInt8 {
    value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
}
