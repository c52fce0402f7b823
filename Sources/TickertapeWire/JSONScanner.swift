/// Reads the parts of a JSON text (RFC 8259), in place and strictly.
///
/// A word or a sign that is not there takes nothing but white space, so that another can be tried.
/// Must not outlive its bytes.
struct JSONScanner {
    private let bytes: UnsafeRawBufferPointer
    private var index = 0

    init(bytes: UnsafeRawBufferPointer) {
        self.bytes = bytes
    }

    /// Whether nothing but white space is left.
    var isAtEnd: Bool {
        mutating get {
            self.skipSpace()
            return self.index == self.bytes.count
        }
    }

    /// The byte that the next part begins with.
    var next: UInt8? {
        mutating get {
            self.skipSpace()
            return self.index < self.bytes.count ? self.bytes[self.index] : nil
        }
    }

    /// Takes one of the words `true`, `false` and `null`.
    mutating func takes(word: StaticString) -> Bool {
        self.skipSpace()
        let count = word.utf8CodeUnitCount
        let expected = UnsafeRawBufferPointer(start: word.utf8Start, count: count)
        guard self.bytes.count - self.index >= count,
            self.bytes[self.index..<(self.index + count)].elementsEqual(expected)
        else { return false }
        self.index += count
        return true
    }

    /// Only digits, without a zero before them and few enough for any integer.
    mutating func number() -> Int64? {
        self.skipSpace()
        let digits = self.bytes[self.index...].prefix { (0x30...0x39).contains($0) }
        guard (1...18).contains(digits.count), digits.count == 1 || digits.first != 0x30 else {
            return nil
        }
        self.index = digits.endIndex
        return digits.reduce(0) { $0 * 10 + Int64($1 - 0x30) }
    }

    mutating func text() -> String? {
        guard self.takes("\"") else { return nil }
        let start = self.index
        while self.index < self.bytes.count {
            let byte = self.bytes[self.index]
            if byte == UInt8(ascii: "\"") {
                let content = self.bytes[start..<self.index]
                self.index += 1
                return String(validating: content, as: UTF8.self)
            }
            if byte == UInt8(ascii: "\\") { return self.escapedText(from: start) }
            guard byte >= 0x20 else { return nil }
            self.index += 1
        }
        return nil
    }

    /// Goes on with a text at its first escape.
    private mutating func escapedText(from start: Int) -> String? {
        var content = Array(self.bytes[start..<self.index])
        while self.index < self.bytes.count {
            let byte = self.bytes[self.index]
            self.index += 1
            switch byte {
            case UInt8(ascii: "\""): return String(validating: content, as: UTF8.self)
            case UInt8(ascii: "\\"):
                guard self.takesEscape(into: &content) else { return nil }
            case 0x20...: content.append(byte)
            default: return nil
            }
        }
        return nil
    }

    private mutating func takesEscape(into content: inout [UInt8]) -> Bool {
        guard self.index < self.bytes.count else { return false }
        let byte = self.bytes[self.index]
        self.index += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): content.append(byte)
        case UInt8(ascii: "b"): content.append(0x08)
        case UInt8(ascii: "t"): content.append(0x09)
        case UInt8(ascii: "n"): content.append(0x0A)
        case UInt8(ascii: "f"): content.append(0x0C)
        case UInt8(ascii: "r"): content.append(0x0D)
        case UInt8(ascii: "u"):
            guard let scalar = self.escapedScalar() else { return false }
            content.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
        default: return false
        }
        return true
    }

    /// What follows `\u`: one scalar, or a pair of surrogates (RFC 8259 §7).
    private mutating func escapedScalar() -> Unicode.Scalar? {
        guard let first = self.fourDigits() else { return nil }
        guard UTF16.isLeadSurrogate(first) else { return Unicode.Scalar(first) }
        guard self.bytes[self.index...].starts(with: "\\u".utf8) else { return nil }
        self.index += 2
        guard let second = self.fourDigits(), UTF16.isTrailSurrogate(second) else { return nil }
        return UTF16.decode(UTF16.EncodedScalar([first, second]))
    }

    private mutating func fourDigits() -> UInt16? {
        let digits = self.bytes[self.index...].prefix(4)
        guard digits.count == 4 else { return nil }
        self.index += 4
        var value: UInt16 = 0
        for digit in digits {
            switch digit {
            case 0x30...0x39: value = value << 4 | UInt16(digit - 0x30)
            case 0x41...0x46: value = value << 4 | UInt16(digit - 0x41 + 10)
            case 0x61...0x66: value = value << 4 | UInt16(digit - 0x61 + 10)
            default: return nil
            }
        }
        return value
    }

    mutating func takes(_ byte: Unicode.Scalar) -> Bool {
        self.skipSpace()
        guard self.index < self.bytes.count, self.bytes[self.index] == UInt8(ascii: byte) else {
            return false
        }
        self.index += 1
        return true
    }

    private mutating func skipSpace() {
        while self.index < self.bytes.count {
            switch self.bytes[self.index] {
            case 0x20, 0x09, 0x0A, 0x0D: self.index += 1
            default: return
            }
        }
    }
}
