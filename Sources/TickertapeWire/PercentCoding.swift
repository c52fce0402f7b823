/// What was wrong with a percent-encoded text.
package enum PercentCodingError: Error, Equatable, Sendable {
    /// A `%` without two hexadecimal digits behind it.
    case badEscape
    /// The decoded bytes are not UTF-8.
    case notUTF8
}

/// Decodes `%XX` (RFC 3986 §2.1) and, in a query, `+` for a space.
///
/// - Throws: When an escape is malformed or the bytes are not UTF-8.
package func percentDecoded(
    _ text: some StringProtocol,
    plusIsSpace: Bool
) throws(PercentCodingError) -> String {
    let bytes = try percentDecodedBytes(text, plusIsSpace: plusIsSpace)
    guard let decoded = String(validating: bytes, as: UTF8.self) else { throw .notUTF8 }
    return decoded
}

/// The same as bytes, whatever they spell.
///
/// Bytes over 0x7F that were no UTF-8 have been repaired to U+FFFD before they came here; each
/// becomes 0xFF, which is none either.
///
/// - Throws: When an escape is malformed.
package func percentDecodedBytes(
    _ text: some StringProtocol,
    plusIsSpace: Bool
) throws(PercentCodingError) -> [UInt8] {
    // Most texts stand for themselves.
    let plain = text.utf8.withContiguousStorageIfAvailable { bytes in
        bytes.allSatisfy { isUnreservedInPath($0) } ? Array(bytes) : nil
    }
    if let plain, let plain { return plain }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(text.utf8.count)
    var rest = text.utf8[...]
    while let byte = rest.popFirst() {
        switch byte {
        case UInt8(ascii: "%"):
            guard let high = rest.popFirst().flatMap(hexadecimalValue),
                let low = rest.popFirst().flatMap(hexadecimalValue)
            else { throw .badEscape }
            bytes.append(high << 4 | low)
        case UInt8(ascii: "+") where plusIsSpace:
            bytes.append(UInt8(ascii: " "))
        case 0xEF where rest.starts(with: [0xBF, 0xBD]):
            rest = rest.dropFirst(2)
            bytes.append(0xFF)
        default:
            bytes.append(byte)
        }
    }
    return bytes
}

/// Encodes a topic name as a path: everything but unreserved characters and `/`.
package func percentEncodedPath(_ text: String) -> String {
    guard text.utf8.contains(where: { !isUnreservedInPath($0) }) else { return text }
    var encoded = ""
    for byte in text.utf8 {
        if isUnreservedInPath(byte) {
            encoded.unicodeScalars.append(Unicode.Scalar(byte))
        } else {
            encoded.append("%")
            let digits = String(byte, radix: 16, uppercase: true)
            encoded.append(digits.utf8.count == 1 ? "0" + digits : digits)
        }
    }
    return encoded
}

/// Whether a byte of a path stands for itself and separates nothing but levels (RFC 3986 §2.3).
package func isUnreservedInPath(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."),
        UInt8(ascii: "_"), UInt8(ascii: "~"), UInt8(ascii: "/"):
        true
    default: false
    }
}

private func hexadecimalValue(_ byte: UInt8) -> UInt8? {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
    default: nil
    }
}
