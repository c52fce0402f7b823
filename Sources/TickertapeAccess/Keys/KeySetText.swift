import JWTKit

/// The keys of a JWKS (RFC 7517 §5), and why others of it are not used.
struct KeySetText {
    private(set) var keys: [VerificationKey] = []
    private(set) var skipped: [String] = []

    private struct Skipped: Error {
        let reason: String
    }

    init(_ bytes: [UInt8]) throws(KeyFileError) {
        let document: StrictJSON
        do {
            document = try StrictJSON(bytes)
        } catch {
            throw KeyFileError("it \(error.sentence)")
        }
        guard case .array(let entries) = document["keys"] else {
            throw KeyFileError("it is no JWKS: a JSON object with 'keys', an array")
        }
        for (index, entry) in entries.enumerated() {
            do {
                self.keys.append(try Self.key(entry))
            } catch let skipped as Skipped {
                self.skipped.append("key \(index + 1) \(skipped.reason)")
            } catch let error as KeyFileError {
                throw error
            } catch {
                throw KeyFileError("its key \(index + 1) cannot be read")
            }
        }
        guard !self.keys.isEmpty else {
            let reasons =
                self.skipped.isEmpty ? "it is empty" : self.skipped.joined(separator: "; ")
            throw KeyFileError("it holds no key that could be used: \(reasons)")
        }
    }

    private static func key(_ entry: StrictJSON) throws -> VerificationKey {
        guard let kind = entry["kty"]?.text else { throw Skipped(reason: "has no kty") }
        if let use = entry["use"], use.text != "sig" {
            throw Skipped(reason: "is not for signatures (use)")
        }
        if let operations = entry["key_ops"], operations.texts?.contains("verify") != true {
            throw Skipped(reason: "is not to verify with (key_ops)")
        }
        if let id = entry["kid"], id.text == nil {
            throw Skipped(reason: "has a kid that is no string")
        }
        if kind != "oct", entry["d"] != nil {
            throw KeyFileError("it holds a private key; give the public ones alone")
        }
        let material: VerificationKey.Material
        let algorithm: KeyAlgorithm
        switch kind {
        case "RSA": (material, algorithm) = (.rsa(try Self.rsaKey(entry)), .rs256)
        case "EC": (material, algorithm) = (.p256(try Self.p256Key(entry)), .es256)
        case "OKP": (material, algorithm) = (.ed25519(try Self.ed25519Key(entry)), .edDSA)
        case "oct": (material, algorithm) = (.secret(try Self.secret(entry)), .hs256)
        default: throw Skipped(reason: "is of an unknown kind (kty)")
        }
        // Of a secret it is asked, since nothing else tells what it is for.
        guard entry["alg"].map({ $0.text == algorithm.rawValue }) ?? (kind != "oct") else {
            throw Skipped(reason: "is not for \(algorithm.rawValue) (alg)")
        }
        return VerificationKey(material, id: entry["kid"]?.text)
    }

    private static func bytes(_ entry: StrictJSON, _ name: String) throws -> [UInt8] {
        guard let text = entry[name]?.text, let bytes = Base64URL.decode(text.utf8), !bytes.isEmpty
        else { throw Skipped(reason: "has no '\(name)' in base64url") }
        return bytes
    }

    private static func rsaKey(_ entry: StrictJSON) throws -> JWTKit.Insecure.RSA.PublicKey {
        let modulus = try Self.bytes(entry, "n")
        let exponent = try Self.bytes(entry, "e")
        try RSAKeySize.check(modulus[...])
        let key = try? JWTKit.Insecure.RSA.PublicKey(
            modulus: Base64URL.encode(modulus),
            exponent: Base64URL.encode(exponent)
        )
        guard let key else { throw Skipped(reason: "is no RSA key") }
        return key
    }

    private static func p256Key(_ entry: StrictJSON) throws -> ES256PublicKey {
        guard entry["crv"]?.text == "P-256" else { throw Skipped(reason: "is not on P-256 (crv)") }
        let x = try Self.bytes(entry, "x")
        let y = try Self.bytes(entry, "y")
        let parameters = (x: Base64URL.encode(x), y: Base64URL.encode(y))
        guard x.count == 32, y.count == 32, let key = try? ES256PublicKey(parameters: parameters)
        else { throw Skipped(reason: "is no point on P-256") }
        return key
    }

    private static func ed25519Key(_ entry: StrictJSON) throws -> EdDSA.PublicKey {
        guard entry["crv"]?.text == "Ed25519" else {
            throw Skipped(reason: "is not for Ed25519 (crv)")
        }
        let x = try Self.bytes(entry, "x")
        guard let key = try? EdDSA.PublicKey(x: Base64URL.encode(x), curve: .ed25519) else {
            throw Skipped(reason: "is no Ed25519 key")
        }
        return key
    }

    private static func secret(_ entry: StrictJSON) throws -> [UInt8] {
        let secret = try Self.bytes(entry, "k")
        guard secret.count >= KeyAlgorithm.secretBytesMin else {
            throw KeyFileError(
                """
                it holds a secret of \(secret.count) bytes, but should hold \
                \(KeyAlgorithm.secretBytesMin) or more
                """
            )
        }
        return secret
    }
}
