import Foundation
import JWTKit
import Testing
import TickertapeCore
import TickertapeTestSupport

@testable import TickertapeAccess

/// What files of keys may hold.
@Suite struct KeyFileTests {
    /// The algorithms of the keys of a file.
    private func algorithms(_ text: String) throws -> [String] {
        let content = try KeyFileContent(Array(text.utf8), .keys, keysMax: 64)
        return content.keys.map(\.algorithm.rawValue)
    }

    private func fault(_ text: String, _ kind: KeyFileContent.Kind = .keys) -> String? {
        do {
            _ = try KeyFileContent(Array(text.utf8), kind, keysMax: 64)
            return nil
        } catch {
            return error.description
        }
    }

    @Test("Public keys and certificates of PEM files are taken, of each kind")
    func pem() throws {
        let files = [
            (KeyFixtures.rsaPublic, "RS256"), (KeyFixtures.rsaPublicPKCS1, "RS256"),
            (KeyFixtures.rsaCertificate, "RS256"), (KeyFixtures.p256Public, "ES256"),
            (KeyFixtures.p256Certificate, "ES256"), (KeyFixtures.ed25519Public, "EdDSA"),
            (KeyFixtures.ed25519Certificate, "EdDSA"),
        ]
        for (text, algorithm) in files {
            #expect(try self.algorithms(text) == [algorithm])
            #expect(
                try self.algorithms("Bag attributes: x\r\n" + text.replacing("\n", with: "\r\n"))
                    == [algorithm]
            )
        }
        #expect(
            try self.algorithms(KeyFixtures.p256Public + "\n" + KeyFixtures.rsaPublic) == [
                "ES256", "RS256",
            ]
        )
    }

    @Test("A key is the same key in every form of it")
    func thumbprints() throws {
        func thumbprint(_ text: String) throws -> String {
            try #require(KeyFileContent(Array(text.utf8), .keys, keysMax: 1).keys.first).thumbprint
        }
        let rsa = try thumbprint(KeyFixtures.rsaPublic)
        #expect(try thumbprint(KeyFixtures.rsaPublicPKCS1) == rsa)
        #expect(try thumbprint(KeyFixtures.rsaCertificate) == rsa)
        #expect(try thumbprint(KeyFixtures.otherRSAPublic) != rsa)
        #expect(try thumbprint(KeyFixtures.p256Certificate) == thumbprint(KeyFixtures.p256Public))
        #expect(
            try thumbprint(KeyFixtures.ed25519Certificate) == thumbprint(KeyFixtures.ed25519Public)
        )
        let key = try JWTKit.Insecure.RSA.PublicKey(pem: KeyFixtures.rsaPublic).getKeyPrimitives()
        let set = """
            {"keys":[{"kty":"RSA","kid":"1","n":"\(Base64URL.encode(key.modulus))",\
            "e":"\(Base64URL.encode(key.publicExponent))"}]}
            """
        #expect(try thumbprint(set) == rsa)
    }

    @Test("A private key is refused, and the sentence says what to give")
    func privateKeys() {
        let sentence =
            "it holds a private key; give the public one, as 'openssl pkey -pubout' prints it"
        for text in [
            KeyFixtures.rsaPrivate, KeyFixtures.rsaPrivatePKCS1, KeyFixtures.p256Private,
            KeyFixtures.p256PrivateSEC1, KeyFixtures.ed25519Private,
            KeyFixtures.p256Public + KeyFixtures.p256Private,
            KeyFixtures.p256Private.replacing("PRIVATE", with: "ENCRYPTED PRIVATE"),
            KeyFixtures.p256Private.replacing("PRIVATE", with: "OPENSSH PRIVATE"),
        ] {
            #expect(self.fault(text) == sentence)
        }
        let set = #"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"AA","d":"AA"}]}"#
        #expect(self.fault(set) == "it holds a private key; give the public ones alone")
    }

    @Test("Keys that are too weak or of other kinds are refused in words")
    func otherKeys() {
        #expect(
            self.fault(KeyFixtures.shortRSAPublic)
                == "its RSA key has 1024 bits, but should have 2048 to 8192"
        )
        let other = "its key is for none of RS256 (RSA), ES256 (P-256) and EdDSA (Ed25519)"
        #expect(self.fault(KeyFixtures.p384Public) == other)
        #expect(self.fault(KeyFixtures.pssPublic) == other)
        #expect(
            self.fault(KeyFixtures.rsaCertificate + KeyFixtures.p256Certificate)
                == "it holds 2 certificates; give that of the signer alone"
        )
        #expect(self.fault("") == "it is neither PEM nor a JWKS")
        #expect(self.fault(Forge.secret) == "it is neither PEM nor a JWKS")
        #expect(
            self.fault("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI") == "it is neither PEM nor a JWKS"
        )
        // Two files put together without a line end between them: neither may be passed over.
        let whole = KeyFixtures.p256Public.trimmingCharacters(in: .newlines)
        #expect(self.fault(whole + whole) == "its block PUBLIC KEY is no base64")
        #expect(self.fault(whole + "x\n" + whole) == "its block PUBLIC KEY is no base64")
        #expect(self.fault("[]") == "it is neither PEM nor a JWKS")
    }

    @Test("A PEM file that was cut short anywhere is refused, never read by half")
    func truncated() {
        for text in [
            KeyFixtures.rsaCertificate, KeyFixtures.p256Public, KeyFixtures.rsaPublicPKCS1,
        ] {
            let whole = text.trimmingCharacters(in: .whitespacesAndNewlines)
            for count in 0..<whole.utf8.count {
                #expect(
                    self.fault(String(decoding: whole.utf8.prefix(count), as: UTF8.self)) != nil
                )
            }
            #expect(self.fault(whole) == nil)
        }
    }

    @Test("DER that was changed anywhere is a key or a sentence, never a crash")
    func changedDER() throws {
        var generator = Seed().generator
        for text in [KeyFixtures.ed25519Certificate, KeyFixtures.rsaPublic, KeyFixtures.p256Public]
        {
            let block = try #require(try PEMText(text).blocks.first)
            for index in block.bytes.indices {
                var bytes = block.bytes
                bytes[index] = UInt8(generator.int(0...255))
                let changed = PEMText.Block(label: block.label, bytes: bytes).text
                let cut = PEMText.Block(label: block.label, bytes: Array(bytes[...index])).text
                if let fault = self.fault(changed) { #expect(!fault.isEmpty) }
                if index < bytes.count - 1, let fault = self.fault(cut) { #expect(!fault.isEmpty) }
            }
        }
    }

    static let skippedKeys: [(key: String, reason: String)] = [
        (#"{}"#, "has no kty"), (#"7"#, "has no kty"), (#"{"kty":7}"#, "has no kty"),
        (#"{"kty":"ML-DSA"}"#, "is of an unknown kind (kty)"),
        (#"{"kty":"RSA","use":"enc"}"#, "is not for signatures (use)"),
        (#"{"kty":"RSA","key_ops":["sign"]}"#, "is not to verify with (key_ops)"),
        (#"{"kty":"RSA","kid":7}"#, "has a kid that is no string"),
        (#"{"kty":"RSA"}"#, "has no 'n' in base64url"),
        (#"{"kty":"RSA","n":"A=","e":"AQAB"}"#, "has no 'n' in base64url"),
        (#"{"kty":"EC","crv":"P-384","alg":"ES384"}"#, "is not on P-256 (crv)"),
        (#"{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}"#, "is no point on P-256"),
        (#"{"kty":"OKP","crv":"X25519"}"#, "is not for Ed25519 (crv)"),
        (#"{"kty":"OKP","crv":"Ed25519","x":"AAAA"}"#, "is no Ed25519 key"),
        (
            #"{"kty":"oct","k":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}"#,
            "is not for HS256 (alg)"
        ),
        (
            #"{"kty":"oct","alg":"HS512","k":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}"#,
            "is not for HS256 (alg)"
        ),
    ]

    @Test("Keys of a set that are for something else are skipped, and it is said why")
    func skipped() throws {
        let good =
            #"{"kty":"oct","alg":"HS256","k":"\#(Base64URL.encode(Array(Forge.secret.utf8)))"}"#
        for row in Self.skippedKeys {
            #expect(
                self.fault(#"{"keys":[\#(row.key)]}"#)
                    == "it holds no key that could be used: key 1 \(row.reason)"
            )
            let set = Array(#"{"keys":[\#(good),\#(row.key)]}"#.utf8)
            let content = try KeyFileContent(set, .keys, keysMax: 64)
            #expect(content.keys.count == 1)
            #expect(content.skipped == ["key 2 \(row.reason)"])
        }
    }

    @Test("A set that is none, is empty or holds too much is refused")
    func sets() {
        let none = "it is no JWKS: a JSON object with 'keys', an array"
        #expect(self.fault("{}") == none)
        #expect(self.fault(#"{"keys":{}}"#) == none)
        #expect(self.fault(#"{"keys":[]}"#) == "it holds no key that could be used: it is empty")
        #expect(self.fault(#"{"keys":[]"#) == "it is no JSON")
        #expect(self.fault(#"{"keys":[],"keys":[]}"#) == "it has a member twice")
        let weak = #"{"keys":[{"kty":"oct","alg":"HS256","k":"AAAA"}]}"#
        #expect(self.fault(weak) == "it holds a secret of 3 bytes, but should hold 32 or more")
        let key =
            #"{"kty":"oct","alg":"HS256","k":"\#(Base64URL.encode(Array(Forge.secret.utf8)))"}"#
        let many = Array(repeating: key, count: 65).joined(separator: ",")
        #expect(self.fault(#"{"keys":[\#(many)]}"#) == "it holds 65 keys, but may hold 64")
        // e = 1: every text would be its own signature.
        let modulus = String(repeating: "_", count: 342)
        let trivial = #"{"keys":[{"kty":"RSA","n":"\#(modulus)","e":"AQ"}]}"#
        #expect(self.fault(trivial) != nil)
    }

    @Test("A secret has 32 bytes or more, its last line end aside, and is no public key")
    func secrets() throws {
        let short = String(repeating: "x", count: 31)
        let sentence =
            "its secret has 31 bytes, but should have 32 or more: openssl rand -base64 48"
        for text in [short, short + "\n", short + "\r\n"] {
            #expect(self.fault(text, .secret) == sentence)
        }
        for text in [short + "x", short + "x\n", short + "x\r\n"] {
            #expect(try KeyFileContent.secret(Array(text.utf8)) == Array((short + "x").utf8))
        }
        #expect(try KeyFileContent.secret(Array((short + "\n\n").utf8)).count == 32)
        for text in [KeyFixtures.rsaPublic, KeyFixtures.p256Certificate, KeyFixtures.rsaPrivate] {
            #expect(
                self.fault(text, .secret)
                    == "it is a PEM key and no secret; the option for key files takes it"
            )
        }
    }

    @Test("A file that cannot be used keeps the broker from starting, and is named")
    func atStart() throws {
        let folder = try TemporaryFolder()
        func failure(_ change: (inout Authenticator.Configuration) -> Void) -> String? {
            do {
                _ = try Bench(keys: [KeyFixtures.rsaPublic], change)
                return nil
            } catch {
                return "\(error)"
            }
        }
        let missing = folder.path + "/missing"
        #expect(
            failure { $0.jwtKeyFiles.append(missing) }
                == "the key file \(missing) cannot be used: it cannot be read: No such file or directory"
        )
        #expect(
            failure { $0.jwtSecretFiles.append(folder.path) }
                == "the key file \(folder.path) cannot be used: it is no file"
        )
        let pipe = folder.path + "/pipe"
        #expect(mkfifo(pipe, 0o600) == 0)
        #expect(
            failure { $0.jwtKeyFiles.append(pipe) }
                == "the key file \(pipe) cannot be used: it is no file"
        )
        let large = folder.path + "/large"
        try Data(count: 1_048_577).write(to: URL(fileURLWithPath: large))
        #expect(
            failure { $0.jwtKeyFiles.append(large) }
                == "the key file \(large) cannot be used: it has 1048577 bytes, but may have 1048576"
        )
        #expect(failure { _ in } == nil)
    }
}
