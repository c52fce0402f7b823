import Crypto
import JWTKit
import Synchronization

/// A key that signatures are checked with: a public one, or a secret.
final class VerificationKey: Sendable {
    enum Material: Sendable {
        case rsa(JWTKit.Insecure.RSA.PublicKey)
        case p256(ES256PublicKey)
        case ed25519(EdDSA.PublicKey)
        case secret([UInt8])
    }

    let algorithm: KeyAlgorithm
    /// Nothing for a key of a PEM file: it is asked for tokens with and without a `kid`.
    let id: String?
    /// The same for the same key, from whatever file and under whatever id.
    let thumbprint: String
    private let material: Material
    /// Made when it is first asked for: the library hands it out through an actor alone.
    private let verifier = Mutex<(any JWTAlgorithm)?>(nil)

    /// Mixed into the thumbprints of secrets, so that those that were written down somewhere say
    /// nothing about a weak one.
    private static let salt = SymmetricKey(size: .bits256)

    init(_ material: Material, id: String?) {
        self.material = material
        self.id = id
        let digest: [UInt8]
        switch material {
        case .rsa(let key):
            self.algorithm = .rs256
            digest = Array(SHA256.hash(data: Array(key.pemRepresentation.utf8)))
        case .p256(let key):
            self.algorithm = .es256
            digest = Array(SHA256.hash(data: Array(key.pemRepresentation.utf8)))
        case .ed25519(let key):
            self.algorithm = .edDSA
            digest = Array(SHA256.hash(data: Array(key.pemRepresentation.utf8)))
        case .secret(let secret):
            self.algorithm = .hs256
            digest = Array(HMAC<SHA256>.authenticationCode(for: secret, using: Self.salt))
        }
        self.thumbprint = Base64URL.encode(digest)
    }

    /// What checks signatures with this key, and only those of its own algorithm.
    func checker() async throws -> any JWTAlgorithm {
        if let made = self.verifier.withLock({ $0 }) { return made }
        let keys = JWTKeyCollection()
        switch self.material {
        case .rsa(let key): await keys.add(rsa: key, digestAlgorithm: .sha256)
        case .p256(let key): await keys.add(ecdsa: key)
        case .ed25519(let key): await keys.add(eddsa: key)
        case .secret(let secret):
            await keys.add(hmac: HMACKey(from: secret), digestAlgorithm: .sha256)
        }
        let made = try await keys.getKey()
        self.verifier.withLock { $0 = made }
        return made
    }
}

/// The keys in force.
struct KeyRing: Sendable {
    private let keys: [VerificationKey]
    private let thumbprints: Set<String>

    init(_ keys: [VerificationKey] = []) {
        self.keys = keys
        self.thumbprints = Set(keys.map(\.thumbprint))
    }

    var isEmpty: Bool { self.keys.isEmpty }

    func holds(thumbprint: String) -> Bool { self.thumbprints.contains(thumbprint) }

    /// Which keys, under which ids: what a change is told by.
    var names: Set<[String]> {
        Set(self.keys.map { [$0.thumbprint, $0.id ?? "", "\($0.id == nil)"] })
    }

    /// The keys that may have signed `token`.
    ///
    /// A `kid` picks the keys of this id, or those that have none. The algorithm is the key's: a
    /// token that names another is refused before anything is computed.
    func candidates(
        for token: SignedToken,
        countMax: Int
    ) throws(SignedToken.Refusal) -> [VerificationKey] {
        var named = self.keys
        if let id = token.keyID {
            named = self.keys.filter { key in key.id.map { $0.utf8.elementsEqual(id.utf8) } ?? false
            }
            if named.isEmpty { named = self.keys.filter { $0.id == nil } }
            if named.isEmpty {
                throw SignedToken.Refusal("this broker has no key of the token's kid")
            }
        }
        let fitting = named.filter {
            $0.algorithm.rawValue.utf8.elementsEqual(token.algorithm.utf8)
        }
        if fitting.isEmpty {
            throw SignedToken.Refusal("this broker has no such key for the alg of the token")
        }
        // Each costs as much as a signature, and anyone may send a token.
        guard fitting.count <= countMax else {
            throw SignedToken.Refusal(
                "the token has no kid, and this broker has many keys of its alg"
            )
        }
        return fitting
    }
}
