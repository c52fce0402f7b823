import Crypto

/// A strong entity tag (RFC 9110 §8.8.3): the same for the same bytes, and for no others.
package func contentTag(of bytes: [UInt8]) -> String {
    let digits = SHA256.hash(data: bytes).prefix(16).map { byte in
        let text = String(byte, radix: 16)
        return text.count == 1 ? "0" + text : text
    }
    return "\"" + digits.joined() + "\""
}
