import Foundation
import JWTKit
import SwiftASN1
package import TickertapeCore

/// Makes JWTs, as a backend would: for trying out.
package struct TokenSigner: Sendable {
    /// What a token says.
    package struct Draft: Sendable {
        package var grant: Grant
        /// When it is made, in seconds since 1970.
        package var issuedSeconds: Int64
        package var expiresSeconds: Int64
        package var subject: String?
        package var issuer: String?
        package var audiences: [String] = []
        package var keyID: String?

        package init(grant: Grant, issuedSeconds: Int64, expiresSeconds: Int64) {
            self.grant = grant
            self.issuedSeconds = issuedSeconds
            self.expiresSeconds = expiresSeconds
        }
    }

    private enum Key: Sendable {
        case rsa(JWTKit.Insecure.RSA.PrivateKey)
        case p256(ES256PrivateKey)
        case ed25519(EdDSA.PrivateKey)
        case secret([UInt8])
    }

    /// What the key signs with.
    package let algorithm: KeyAlgorithm
    private let key: Key

    /// Takes an HS256 secret, as `--jwt-secret-file` reads it.
    package init(secretFile path: String) throws(KeyFileError) {
        let file = try KeyFile(path, bytesMax: Limits().keyFileBytesMax)
        self.key = .secret(try KeyFileContent.secret(file.bytes))
        self.algorithm = .hs256
    }

    /// Takes a private key from PEM: RSA, P-256 or Ed25519, without a passphrase.
    package init(keyFile path: String) throws(KeyFileError) {
        let file = try KeyFile(path, bytesMax: Limits().keyFileBytesMax)
        let blocks = try PEMText(String(decoding: file.bytes, as: UTF8.self)).blocks
        let keys = blocks.filter { $0.label.hasSuffix("PRIVATE KEY") }
        guard let block = keys.first, keys.count == 1 else {
            throw KeyFileError("it holds no private key in PEM, or several")
        }
        switch block.label {
        case "RSA PRIVATE KEY": self.key = try Self.rsaKey(block)
        case "EC PRIVATE KEY": self.key = try Self.p256Key(block)
        case "PRIVATE KEY": self.key = try Self.key(block)
        default:
            throw KeyFileError(
                "its private key is locked or of another program (\(block.label)); give it as "
                    + "'openssl pkey' prints it"
            )
        }
        switch self.key {
        case .rsa: self.algorithm = .rs256
        case .p256: self.algorithm = .es256
        case .ed25519: self.algorithm = .edDSA
        case .secret: self.algorithm = .hs256
        }
    }

    private static func key(_ block: PEMText.Block) throws(KeyFileError) -> Key {
        guard let info = try? PrivateKeyInfo(derEncoded: block.bytes) else {
            throw KeyFileError("its private key is malformed")
        }
        switch info.kind {
        case .rsa: return try Self.rsaKey(block)
        case .p256: return try Self.p256Key(block)
        case .ed25519:
            guard let key = try? EdDSA.PrivateKey(pem: block.text) else {
                throw KeyFileError("its Ed25519 key is malformed")
            }
            return .ed25519(key)
        case .other:
            throw KeyFileError(
                "its key is for none of RS256 (RSA), ES256 (P-256) and EdDSA (Ed25519)"
            )
        }
    }

    private static func rsaKey(_ block: PEMText.Block) throws(KeyFileError) -> Key {
        guard let key = try? JWTKit.Insecure.RSA.PrivateKey(pem: block.text) else {
            throw KeyFileError(
                "its RSA key is malformed, or has less than \(RSAKeySize.bitsMin) bits"
            )
        }
        return .rsa(key)
    }

    private static func p256Key(_ block: PEMText.Block) throws(KeyFileError) -> Key {
        guard let key = try? ES256PrivateKey(pem: block.text) else {
            throw KeyFileError("its key is malformed, or on another curve than P-256")
        }
        return .p256(key)
    }

    package func sign(_ draft: Draft) async throws -> String {
        let keys = JWTKeyCollection()
        switch self.key {
        case .rsa(let key): await keys.add(rsa: key, digestAlgorithm: .sha256)
        case .p256(let key): await keys.add(ecdsa: key)
        case .ed25519(let key): await keys.add(eddsa: key)
        case .secret(let secret):
            await keys.add(hmac: HMACKey(from: secret), digestAlgorithm: .sha256)
        }
        var header = JWTHeader()
        if let keyID = draft.keyID { header.kid = keyID }
        return try await keys.sign(DraftClaims(draft), header: header)
    }
}

/// The payload that `Claims` reads.
private struct DraftClaims: JWTPayload {
    struct Patterns: Codable {
        let publish: [String]
        let subscribe: [String]
        /// Left out where there are none.
        let stop: [String]?
    }

    let exp: Int64
    let iat: Int64
    let sub: String?
    let iss: String?
    let aud: [String]?
    let tickertape: Patterns

    init(_ draft: TokenSigner.Draft) {
        self.exp = draft.expiresSeconds
        self.iat = draft.issuedSeconds
        self.sub = draft.subject
        self.iss = draft.issuer
        self.aud = draft.audiences.isEmpty ? nil : draft.audiences
        self.tickertape = Patterns(
            publish: draft.grant.publish.map(\.text),
            subscribe: draft.grant.subscribe.map(\.text),
            stop: draft.grant.stop.isEmpty ? nil : draft.grant.stop.map(\.text)
        )
    }

    /// It is made here, and checked by whoever gets it.
    func verify(using algorithm: some JWTAlgorithm) throws {}
}
