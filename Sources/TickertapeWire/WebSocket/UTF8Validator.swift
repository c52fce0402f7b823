/// Checks UTF-8 that arrives in pieces (RFC 3629 §4).
///
/// Refuses at the first byte that cannot follow, not at the end of the text.
struct UTF8Validator {
    /// Bytes that the character begun still needs.
    private var missingCount: UInt8 = 0
    /// What its next byte may be; narrower after some first bytes, against overlong forms,
    /// surrogates and values over U+10FFFF.
    private var next: ClosedRange<UInt8> = Self.continuation

    private static let continuation: ClosedRange<UInt8> = 0x80...0xBF

    /// Whether the text could end here.
    var isComplete: Bool { self.missingCount == 0 }

    /// Whether the bytes can go on the text so far.
    mutating func accepts(_ bytes: UnsafeRawBufferPointer) -> Bool {
        var index = 0
        while index < bytes.count {
            if self.missingCount == 0 {
                // Eight bytes of ASCII at a time.
                while index + 8 <= bytes.count,
                    bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self)
                        & 0x8080_8080_8080_8080 == 0
                {
                    index += 8
                }
                guard index < bytes.count else { return true }
            }
            guard self.accepts(bytes[index]) else { return false }
            index += 1
        }
        return true
    }

    private mutating func accepts(_ byte: UInt8) -> Bool {
        guard self.missingCount == 0 else {
            guard self.next.contains(byte) else { return false }
            self.missingCount -= 1
            self.next = Self.continuation
            return true
        }
        switch byte {
        case 0x00...0x7F: return true
        case 0xC2...0xDF: self.missingCount = 1
        case 0xE0: self.begin(2, 0xA0...0xBF)
        case 0xED: self.begin(2, 0x80...0x9F)
        case 0xE1...0xEF: self.missingCount = 2
        case 0xF0: self.begin(3, 0x90...0xBF)
        case 0xF1...0xF3: self.missingCount = 3
        case 0xF4: self.begin(3, 0x80...0x8F)
        default: return false
        }
        return true
    }

    private mutating func begin(_ missingCount: UInt8, _ next: ClosedRange<UInt8>) {
        self.missingCount = missingCount
        self.next = next
    }
}
