/// What a JWT is signed with (RFC 7518 §3.1, RFC 8037 §3.1), by its name in `alg`.
///
/// The kind of a key decides: an RSA key verifies RS256 and nothing else, whatever a token says.
package enum KeyAlgorithm: String, CaseIterable, Sendable {
    /// RSA PKCS #1 v1.5 with SHA-256; keys of 2,048 bits or more.
    case rs256 = "RS256"
    /// ECDSA on P-256 with SHA-256.
    case es256 = "ES256"
    /// Ed25519.
    case edDSA = "EdDSA"
    /// HMAC with SHA-256; secrets of 32 bytes or more.
    case hs256 = "HS256"

    /// As long as the digest (RFC 7518 §3.2).
    static let secretBytesMin = 32
}

/// Why keys cannot be used, in a sentence for the operator.
package struct KeyFileError: Error, CustomStringConvertible, Sendable {
    package let description: String

    package init(_ description: String) {
        self.description = description
    }
}
