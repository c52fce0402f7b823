import SwiftASN1

/// What a key is made for, by its object identifier.
enum KeyKind: Equatable {
    case rsa
    case p256
    case ed25519
    case other
}

/// An AlgorithmIdentifier (RFC 5280 §4.1.1.2).
extension KeyKind: DERParseable {
    /// RFC 8410 §3.
    private static let ed25519Identifier: ASN1ObjectIdentifier = [1, 3, 101, 112]

    init(derEncoded node: ASN1Node) throws {
        self = try DER.sequence(node, identifier: .sequence) { fields in
            let algorithm = try ASN1ObjectIdentifier(derEncoded: &fields)
            let parameters = fields.next()
            switch algorithm {
            case .AlgorithmIdentifier.rsaEncryption: return .rsa
            case Self.ed25519Identifier: return .ed25519
            case .AlgorithmIdentifier.idEcPublicKey:
                // Where the curve is not named, it is spelled out.
                let curve = parameters.flatMap { try? ASN1ObjectIdentifier(derEncoded: $0) }
                return curve == .NamedCurves.secp256r1 ? .p256 : .other
            default: return .other
            }
        }
    }
}

/// A SubjectPublicKeyInfo (RFC 5280 §4.1.2.7).
struct PublicKeyInfo: DERParseable {
    let kind: KeyKind
    /// The key itself, in the form of its kind.
    let key: ArraySlice<UInt8>
    /// All of it, as it stands.
    let bytes: [UInt8]

    init(derEncoded node: ASN1Node) throws {
        self.bytes = Array(node.encodedBytes)
        (self.kind, self.key) = try DER.sequence(node, identifier: .sequence) { fields in
            let kind = try KeyKind(derEncoded: &fields)
            return (kind, try ASN1BitString(derEncoded: &fields).bytes)
        }
    }
}

/// A PrivateKeyInfo (RFC 5958 §2), of which only the kind is looked at.
struct PrivateKeyInfo: DERParseable {
    let kind: KeyKind

    init(derEncoded node: ASN1Node) throws {
        self.kind = try DER.sequence(node, identifier: .sequence) { fields in
            _ = try Int(derEncoded: &fields)
            let kind = try KeyKind(derEncoded: &fields)
            fields.skipRest()
            return kind
        }
    }
}

/// An RSAPublicKey (RFC 8017 §A.1.1).
struct RSAModulus: DERParseable {
    /// Big-endian, with or without leading zeros.
    let bytes: ArraySlice<UInt8>

    init(derEncoded node: ASN1Node) throws {
        self.bytes = try DER.sequence(node, identifier: .sequence) { fields in
            let modulus = try ArraySlice<UInt8>(derEncoded: &fields)
            fields.skipRest()
            return modulus
        }
    }
}

/// A Certificate (RFC 5280 §4.1), which only carries a key: dates, names and who issued it do not
/// count.
struct CertificateKey: DERParseable {
    let info: PublicKeyInfo

    init(derEncoded node: ASN1Node) throws {
        self.info = try DER.sequence(node, identifier: .sequence) { fields in
            guard let signed = fields.next() else {
                throw ASN1Error.invalidASN1Object(reason: "a certificate says something")
            }
            fields.skipRest()
            return try DER.sequence(signed, identifier: .sequence) { fields in
                // The version, which may be left out.
                _ = try DER.optionalExplicitlyTagged(
                    &fields,
                    tagNumber: 0,
                    tagClass: .contextSpecific
                ) { try Int(derEncoded: $0) }
                // Serial number, algorithm, issuer, validity, subject.
                for _ in 0..<5 { _ = fields.next() }
                let info = try PublicKeyInfo(derEncoded: &fields)
                fields.skipRest()
                return info
            }
        }
    }
}

extension ASN1NodeCollection.Iterator {
    /// What is not looked at may still be there.
    fileprivate mutating func skipRest() {
        while self.next() != nil {}
    }
}
