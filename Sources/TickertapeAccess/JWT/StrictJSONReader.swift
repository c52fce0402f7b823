/// Takes JSON apart, from its first byte to its last.
struct StrictJSONReader {
    private let bytes: [UInt8]
    private var place = 0
    private var levels = 0

    private static let notJSON = StrictJSON.Fault(sentence: "is no JSON")

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
    }

    mutating func readDocument() throws(StrictJSON.Fault) -> StrictJSON {
        let value = try self.readValue()
        guard self.place == self.bytes.count else { throw Self.notJSON }
        return value
    }

    /// The next byte, which stays; nothing at the end.
    private var next: UInt8? {
        self.place < self.bytes.count ? self.bytes[self.place] : nil
    }

    private mutating func skipSpaces() {
        while let byte = self.next, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 {
            self.place += 1
        }
    }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard self.next == UInt8(ascii: character) else { return false }
        self.place += 1
        return true
    }

    private mutating func readValue() throws(StrictJSON.Fault) -> StrictJSON {
        self.skipSpaces()
        defer { self.skipSpaces() }
        switch self.next {
        case UInt8(ascii: "{"): return .object(try self.readObject())
        case UInt8(ascii: "["): return .array(try self.readArray())
        case UInt8(ascii: "\""): return .string(try self.readString())
        case UInt8(ascii: "t"): return try self.readWord("true", .bool(true))
        case UInt8(ascii: "f"): return try self.readWord("false", .bool(false))
        case UInt8(ascii: "n"): return try self.readWord("null", .null)
        default: return .number(try self.readNumber())
        }
    }

    private mutating func readWord(
        _ word: StaticString,
        _ value: StrictJSON
    ) throws(StrictJSON.Fault) -> StrictJSON {
        let end = self.place + word.utf8CodeUnitCount
        guard end <= self.bytes.count,
            word.withUTF8Buffer({ self.bytes[self.place..<end].elementsEqual($0) })
        else { throw Self.notJSON }
        self.place = end
        return value
    }

    private mutating func enter() throws(StrictJSON.Fault) {
        self.place += 1
        self.levels += 1
        guard self.levels <= StrictJSON.levelsMax else {
            throw StrictJSON.Fault(
                sentence: "has more than \(StrictJSON.levelsMax) levels of arrays and objects"
            )
        }
        self.skipSpaces()
    }

    private mutating func readObject() throws(StrictJSON.Fault) -> [[UInt8]: StrictJSON] {
        try self.enter()
        defer { self.levels -= 1 }
        var members: [[UInt8]: StrictJSON] = [:]
        if self.take("}") { return members }
        while true {
            self.skipSpaces()
            guard self.next == UInt8(ascii: "\"") else { throw Self.notJSON }
            let name = Array(try self.readString().utf8)
            self.skipSpaces()
            guard self.take(":") else { throw Self.notJSON }
            guard members.updateValue(try self.readValue(), forKey: name) == nil else {
                throw StrictJSON.Fault(sentence: "has a member twice")
            }
            if self.take("}") { return members }
            guard self.take(",") else { throw Self.notJSON }
        }
    }

    private mutating func readArray() throws(StrictJSON.Fault) -> [StrictJSON] {
        try self.enter()
        defer { self.levels -= 1 }
        var elements: [StrictJSON] = []
        if self.take("]") { return elements }
        while true {
            elements.append(try self.readValue())
            if self.take("]") { return elements }
            guard self.take(",") else { throw Self.notJSON }
        }
    }

    // -? (0 | 1-9 digits) (. digits)? (e sign? digits)?
    private mutating func readNumber() throws(StrictJSON.Fault) -> Double {
        let start = self.place
        _ = self.take("-")
        let isZero = self.take("0")
        guard isZero || self.skipDigits() else { throw Self.notJSON }
        if self.take(".") {
            guard self.skipDigits() else { throw Self.notJSON }
        }
        if self.take("e") || self.take("E") {
            if !self.take("+") { _ = self.take("-") }
            guard self.skipDigits() else { throw Self.notJSON }
        }
        let text = String(decoding: self.bytes[start..<self.place], as: UTF8.self)
        guard let number = Double(text) else { throw Self.notJSON }
        return number
    }

    private mutating func skipDigits() -> Bool {
        let start = self.place
        while let byte = self.next, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) {
            self.place += 1
        }
        return self.place > start
    }

    private mutating func readString() throws(StrictJSON.Fault) -> String {
        self.place += 1
        var text: [UInt8] = []
        while let byte = self.next {
            self.place += 1
            switch byte {
            case UInt8(ascii: "\""):
                guard let valid = String(validating: text, as: UTF8.self) else {
                    throw StrictJSON.Fault(sentence: "is no UTF-8")
                }
                return valid
            case UInt8(ascii: "\\"):
                text.append(contentsOf: Array(String(try self.readEscape()).utf8))
            case 0..<0x20: throw Self.notJSON
            default: text.append(byte)
            }
        }
        throw Self.notJSON
    }

    private mutating func readEscape() throws(StrictJSON.Fault) -> Unicode.Scalar {
        guard let byte = self.next else { throw Self.notJSON }
        self.place += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(byte)
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{C}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"): return try self.readScalar()
        default: throw Self.notJSON
        }
    }

    /// Four hexadecimal digits, or two times four where they are the halves of a pair.
    private mutating func readScalar() throws(StrictJSON.Fault) -> Unicode.Scalar {
        let first = try self.readHexadecimal()
        if let scalar = Unicode.Scalar(first) { return scalar }
        guard first < 0xDC00, self.take("\\"), self.take("u") else { throw Self.notJSON }
        let second = try self.readHexadecimal()
        guard (0xDC00...0xDFFF).contains(second),
            let scalar = Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00))
        else { throw Self.notJSON }
        return scalar
    }

    private mutating func readHexadecimal() throws(StrictJSON.Fault) -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<4 {
            guard let byte = self.next,
                let digit = Character(Unicode.Scalar(byte)).hexDigitValue
            else { throw Self.notJSON }
            self.place += 1
            value = value << 4 | UInt32(digit)
        }
        return value
    }
}
