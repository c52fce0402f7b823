import JWTKit
import SwiftASN1

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
            case "PUBLIC KEY":
                guard let info = try? PublicKeyInfo(derEncoded: block.bytes) else {
                    throw KeyFileError("its public key is malformed")
                }
                keys.append(try Self.key(info))
            case "RSA PUBLIC KEY": keys.append(try Self.rsaKey(block, block.bytes[...]))
            case "CERTIFICATE":
                guard let certificate = try? CertificateKey(derEncoded: block.bytes) else {
                    throw KeyFileError("its certificate is malformed")
                }
                keys.append(try Self.key(certificate.info))
            // What openssl writes before a key, and what the key says again.
            case "EC PARAMETERS": continue
            default:
                throw KeyFileError("it holds a block \(block.label), which is no public key")
            }
        }
        guard !keys.isEmpty else { throw KeyFileError("it holds no public key and no certificate") }
        return keys
    }

    private static func key(_ info: PublicKeyInfo) throws(KeyFileError) -> VerificationKey {
        let broken = KeyFileError("its public key is malformed")
        let block = PEMText.Block(label: "PUBLIC KEY", bytes: info.bytes)
        switch info.kind {
        case .rsa: return try Self.rsaKey(block, info.key)
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
        _ bytes: ArraySlice<UInt8>
    ) throws(KeyFileError) -> VerificationKey {
        guard let modulus = try? RSAModulus(derEncoded: bytes) else {
            throw KeyFileError("its RSA key is malformed")
        }
        try RSAKeySize.check(modulus.bytes)
        guard let key = try? JWTKit.Insecure.RSA.PublicKey(pem: block.text) else {
            throw KeyFileError("its RSA key is malformed")
        }
        return VerificationKey(.rsa(key), id: nil)
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
