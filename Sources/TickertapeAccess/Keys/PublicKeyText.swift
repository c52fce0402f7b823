import JWTKit

extension VerificationKey {
    /// The keys of a PEM text: any number of public keys, or one certificate.
    static func keys(pem text: String) throws(KeyFileError) -> [VerificationKey] {
        let blocks = try PEMText(text).blocks
        if blocks.contains(where: { $0.label.hasSuffix("PRIVATE KEY") }) {
            throw KeyFileError(
                "it holds a private key; give the public one, as 'openssl pkey -pubout' prints it"
            )
        }
        let certificates = blocks.filter { $0.label == "CERTIFICATE" }
        // Whoever has a key of the chain could sign, and who renews it does not think of that.
        guard certificates.count <= 1 else {
            throw KeyFileError(
                "it holds \(certificates.count) certificates; give that of the signer alone"
            )
        }
        var keys: [VerificationKey] = []
        for block in blocks {
            switch block.label {
            case "PUBLIC KEY": keys.append(try Self.key(info: block.bytes[...]))
            case "RSA PUBLIC KEY": keys.append(try Self.rsaKey(block, modulusIn: block.bytes[...]))
            case "CERTIFICATE": keys.append(try Self.key(certificate: block.bytes))
            // What openssl writes before a key, and what the key says again.
            case "EC PARAMETERS": continue
            default:
                throw KeyFileError("it holds a block \(block.label), which is no public key")
            }
        }
        guard !keys.isEmpty else { throw KeyFileError("it holds no public key and no certificate") }
        return keys
    }

    /// The key of a SubjectPublicKeyInfo (RFC 5280 §4.1.2.7).
    private static func key(info: ArraySlice<UInt8>) throws(KeyFileError) -> VerificationKey {
        let broken = KeyFileError("its public key is malformed")
        var outer = DERReader(info)
        guard let content = outer.next(DERReader.Tag.sequence)?.content, outer.isAtEnd else {
            throw broken
        }
        var inner = DERReader(content)
        guard let identifier = inner.next(DERReader.Tag.sequence)?.content,
            let bits = inner.next(DERReader.Tag.bitString)?.content
        else { throw broken }
        let block = PEMText.Block(label: "PUBLIC KEY", bytes: Array(info))
        switch KeyKind(identifier) {
        // Before the key itself stands how many bits of the last byte are unused: none.
        case .rsa: return try Self.rsaKey(block, modulusIn: bits.dropFirst())
        case .p256:
            guard let key = try? ES256PublicKey(pem: block.text) else { throw broken }
            return VerificationKey(.p256(key), id: nil)
        case .ed25519:
            guard let key = try? EdDSA.PublicKey(pem: block.text) else { throw broken }
            return VerificationKey(.ed25519(key), id: nil)
        case .other:
            throw KeyFileError(
                "its key is for none of RS256 (RSA), ES256 (P-256) and EdDSA (Ed25519)"
            )
        }
    }

    private static func rsaKey(
        _ block: PEMText.Block,
        modulusIn bytes: ArraySlice<UInt8>
    ) throws(KeyFileError) -> VerificationKey {
        var outer = DERReader(bytes)
        var inner = DERReader(outer.next(DERReader.Tag.sequence)?.content ?? [])
        guard let modulus = inner.next(DERReader.Tag.integer)?.content else {
            throw KeyFileError("its RSA key is malformed")
        }
        try RSAKeySize.check(modulus)
        guard let key = try? JWTKit.Insecure.RSA.PublicKey(pem: block.text) else {
            throw KeyFileError("its RSA key is malformed")
        }
        return VerificationKey(.rsa(key), id: nil)
    }

    /// The key of a certificate, which only carries it: dates, names and who issued it do not count.
    private static func key(certificate bytes: [UInt8]) throws(KeyFileError) -> VerificationKey {
        var outer = DERReader(bytes[...])
        var certificate = DERReader(outer.next(DERReader.Tag.sequence)?.content ?? [])
        var signed = DERReader(certificate.next(DERReader.Tag.sequence)?.content ?? [])
        var value = signed.next()
        if value?.tag == DERReader.Tag.version { value = signed.next() }
        // After the serial number: algorithm, issuer, validity, subject.
        for _ in 0..<5 { value = signed.next() }
        guard let value, value.tag == DERReader.Tag.sequence else {
            throw KeyFileError("its certificate is malformed")
        }
        return try Self.key(info: value.whole)
    }
}

enum RSAKeySize {
    static let bitsMin = 2_048
    /// The time a signature takes grows with the square.
    static let bitsMax = 8_192

    // `modulus` is big-endian, with or without leading zeros.
    static func check(_ modulus: ArraySlice<UInt8>) throws(KeyFileError) {
        let significant = modulus.drop { $0 == 0 }
        let bits = significant.count * 8 - (significant.first?.leadingZeroBitCount ?? 0)
        guard (Self.bitsMin...Self.bitsMax).contains(bits) else {
            throw KeyFileError(
                "its RSA key has \(bits) bits, but should have \(Self.bitsMin) to \(Self.bitsMax)"
            )
        }
    }
}
