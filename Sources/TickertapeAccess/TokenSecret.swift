import Crypto

/// The text of an access token: `ttk_`, 256 random bits in base 62, and a checksum.
///
/// The prefix lets secret scanners find it (`ttk_[0-9A-Za-z]{49}`), the checksum tells a mistyped
/// one from one that is unknown. Only its hash is stored.
package struct TokenSecret: Sendable {
    package let text: String

    package static let prefix = "ttk_"
    /// 62^43 is more than 2^256.
    private static let secretDigits = 43
    /// 62^6 is more than 2^32.
    private static let checksumDigits = 6
    private static let hintDigits = 8
    private static let digits = Array(
        "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".utf8
    )

    /// Makes one of the system's random numbers.
    package init() {
        var number = SystemRandomNumberGenerator()
        let bytes = (0..<32).map { _ in UInt8.random(in: .min ... .max, using: &number) }
        let secret = Self.base62(bytes, count: Self.secretDigits)
        self.text = Self.prefix + secret + Self.checksum(secret)
    }

    /// - Returns: Nothing when `text` was not made by `init()`: mistyped, or something else.
    package init?(_ text: String) {
        let count = Self.prefix.utf8.count + Self.secretDigits + Self.checksumDigits
        guard text.utf8.count == count, text.hasPrefix(Self.prefix) else { return nil }
        let secret = String(text.dropFirst(Self.prefix.count).dropLast(Self.checksumDigits))
        guard text == Self.prefix + secret + Self.checksum(secret) else { return nil }
        self.text = text
    }

    package var hash: [UInt8] { Array(SHA256.hash(data: Array(self.text.utf8))) }

    /// Enough to recognize it by, and far too little to guess it.
    package var hint: String { String(self.text.prefix(Self.prefix.count + Self.hintDigits)) }

    private static func checksum(_ secret: String) -> String {
        let hash = Array(SHA256.hash(data: Array((Self.prefix + secret).utf8)).prefix(4))
        return self.base62(hash, count: Self.checksumDigits)
    }

    /// The number that `bytes` are, in base 62, with leading zeros.
    private static func base62(_ bytes: [UInt8], count: Int) -> String {
        var number = bytes
        var text = [UInt8](repeating: Self.digits[0], count: count)
        for place in text.indices.reversed() {
            var rest = 0
            for index in number.indices {
                let value = rest << 8 | Int(number[index])
                number[index] = UInt8(value / 62)
                rest = value % 62
            }
            text[place] = Self.digits[rest]
        }
        return String(decoding: text, as: UTF8.self)
    }
}
