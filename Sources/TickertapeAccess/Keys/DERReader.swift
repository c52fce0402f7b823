/// Takes DER (X.690) apart, one value after the other.
struct DERReader {
    enum Tag {
        static let integer: UInt8 = 0x02
        static let bitString: UInt8 = 0x03
        static let octetString: UInt8 = 0x04
        static let objectIdentifier: UInt8 = 0x06
        static let sequence: UInt8 = 0x30
        /// The version of a certificate, which may be left out.
        static let version: UInt8 = 0xA0
    }

    struct Value {
        let tag: UInt8
        let content: ArraySlice<UInt8>
        /// With tag and length.
        let whole: ArraySlice<UInt8>
    }

    private var rest: ArraySlice<UInt8>

    init(_ bytes: ArraySlice<UInt8>) {
        self.rest = bytes
    }

    var isAtEnd: Bool { self.rest.isEmpty }

    /// - Returns: Nothing at the end, or where it is no DER.
    mutating func next() -> Value? {
        let start = self.rest
        guard let tag = self.rest.popFirst(), let first = self.rest.popFirst() else { return nil }
        var length = Int(first)
        if first >= 0x80 {
            let count = Int(first & 0x7F)
            guard (1...4).contains(count), self.rest.count >= count else { return nil }
            length = self.rest.prefix(count).reduce(0) { $0 << 8 | Int($1) }
            self.rest = self.rest.dropFirst(count)
        }
        guard self.rest.count >= length else { return nil }
        let content = self.rest.prefix(length)
        self.rest = self.rest.dropFirst(length)
        return Value(tag: tag, content: content, whole: start[..<content.endIndex])
    }

    /// The next value, if it has this tag.
    mutating func next(_ tag: UInt8) -> Value? {
        guard let value = self.next(), value.tag == tag else { return nil }
        return value
    }
}

/// What a key is made for, by its object identifier.
enum KeyKind: Equatable {
    case rsa
    case p256
    case ed25519
    case other

    /// From an AlgorithmIdentifier (RFC 5280 §4.1.1.2).
    init(_ identifier: ArraySlice<UInt8>) {
        var reader = DERReader(identifier)
        let object = reader.next(DERReader.Tag.objectIdentifier).map { Array($0.content) }
        switch object {
        // 1.2.840.113549.1.1.1
        case [0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x01]: self = .rsa
        // 1.3.101.112
        case [0x2B, 0x65, 0x70]: self = .ed25519
        // 1.2.840.10045.2.1, on 1.2.840.10045.3.1.7
        case [0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01]:
            let curve = reader.next(DERReader.Tag.objectIdentifier).map { Array($0.content) }
            self = curve == [0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07] ? .p256 : .other
        default: self = .other
        }
    }
}
