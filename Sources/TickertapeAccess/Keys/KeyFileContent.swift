/// What a file of keys holds.
struct KeyFileContent: Sendable {
    enum Kind: Sendable {
        /// The bytes of the file are an HS256 secret.
        case secret
        /// PEM or JWKS.
        case keys
    }

    let keys: [VerificationKey]
    /// What of it is not used.
    let skipped: [String]
    /// Whether those who can read it can sign.
    let isSecret: Bool

    init(_ bytes: [UInt8], _ kind: Kind, keysMax: Int) throws(KeyFileError) {
        switch kind {
        case .secret:
            self.keys = [VerificationKey(.secret(try Self.secret(bytes)), id: nil)]
            self.skipped = []
        case .keys:
            guard let text = String(validating: bytes, as: UTF8.self) else {
                throw KeyFileError("it is neither PEM nor a JWKS")
            }
            if text.first(where: { !$0.isWhitespace }) == "{" {
                let set = try KeySetText(bytes)
                self.keys = set.keys
                self.skipped = set.skipped
            } else if text.contains(PEMText.mark) {
                self.keys = try VerificationKey.keys(pem: text)
                self.skipped = []
            } else {
                throw KeyFileError("it is neither PEM nor a JWKS")
            }
        }
        guard self.keys.count <= keysMax else {
            throw KeyFileError("it holds \(self.keys.count) keys, but may hold \(keysMax)")
        }
        self.isSecret = self.keys.contains { $0.algorithm == .hs256 }
    }

    /// The bytes of a secret file without the line end that editors add.
    static func secret(_ bytes: [UInt8]) throws(KeyFileError) -> [UInt8] {
        var secret = bytes[...]
        if secret.last == UInt8(ascii: "\n") { secret.removeLast() }
        if secret.last == UInt8(ascii: "\r") { secret.removeLast() }
        // Else who knows the public key could sign with it.
        guard !secret.starts(with: PEMText.mark.utf8) else {
            throw KeyFileError("it is a PEM key and no secret; the option for key files takes it")
        }
        guard secret.count >= KeyAlgorithm.secretBytesMin else {
            throw KeyFileError(
                """
                its secret has \(secret.count) bytes, but should have \
                \(KeyAlgorithm.secretBytesMin) or more: openssl rand -base64 48
                """
            )
        }
        return Array(secret)
    }
}
