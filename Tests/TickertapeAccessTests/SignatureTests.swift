import Foundation
import JWTKit
import Testing
import TickertapeCore

@testable import TickertapeAccess

/// Who may have signed a token, and with what.
@Suite struct SignatureTests {
    @Test("A token of each kind of key is good, once it was verified without asking again")
    func good() async throws {
        for forge in try await Forge.all() {
            let bench = try Bench(forge)
            let token = try forge.sign()
            #expect(bench.authenticator.known(token, now: Bench.now) == nil)
            let access = try #require(await bench.verify(token).access, "\(forge.name)")
            #expect(access.expiresMilliseconds == 2_000_000)
            #expect(access.grant.publish.map(\.text) == ["a/*"])
            #expect(access.grant.subscribe.map(\.text) == ["a/**"])
            let known = try #require(bench.authenticator.known(token, now: Bench.now)?.access)
            #expect(known === access)
            #expect(bench.authenticator.end(of: access, now: Bench.now) == nil)
        }
    }

    @Test("With the keys of all kinds each token finds its own")
    func mixed() async throws {
        let forges = try await Forge.all()
        let bench = try Bench(forges[0], forges[1], forges[2], forges[3])
        var clients: Set<String> = []
        for forge in forges {
            let access = try #require(await bench.verify(try forge.sign()).access)
            clients.insert(try #require(access.client))
        }
        #expect(clients.count == forges.count)
    }

    @Test("Another key of the same kind has not signed it")
    func otherKey() async throws {
        let pairs = [
            (try await Forge.rsa(), try await Forge.rsa(KeyFixtures.otherRSAPrivate)),
            (try await Forge.p256(), try await Forge.p256()),
            (try await Forge.ed25519(), try await Forge.ed25519()),
            (try await Forge.secret(), try await Forge.secret(Forge.secret + "!")),
        ]
        for (trusted, other) in pairs {
            let bench = try Bench(trusted)
            let refusal = await bench.refusal(try other.sign())
            #expect(refusal == "the signature of the token is not good", "\(trusted.name)")
        }
    }

    @Test("The key decides about the algorithm: no name in a header makes another of it")
    func confusion() async throws {
        let forges = try await Forge.all()
        let names = [
            "none", "None", "NONE", "nOnE", "", "RS256", "ES256", "EdDSA", "HS256", "HS384",
            "HS512", "RS384", "RS512", "PS256", "ES384", "ES512", "rs256", "hs256", "eddsa",
            "Ed25519", "RS256 ", " HS256", "RS256\\u0000",
        ]
        for forge in forges {
            let bench = try Bench(forge)
            for name in names where name != forge.name {
                let refusal = await bench.refusal(try forge.sign(header: #"{"alg":"\#(name)"}"#))
                #expect(
                    refusal == "this broker has no such key for the alg of the token",
                    "\(name)"
                )
            }
        }
    }

    @Test("Whoever knows a public key cannot sign with it as a secret")
    func publicKeyAsSecret() async throws {
        for forge in try await [Forge.rsa(), Forge.p256(), Forge.ed25519()] {
            let bench = try Bench(keys: [forge.publicText], secrets: [Forge.secret])
            let der = Data(
                base64Encoded: forge.publicText.split(separator: "\n").dropFirst()
                    .dropLast().joined()
            )
            let texts = [
                forge.publicText, String(forge.publicText.dropLast()), forge.publicText + "\n",
                String(decoding: try #require(der), as: UTF8.self),
            ]
            for text in texts {
                let liar = try await Forge.secret(text)
                for name in ["HS256", forge.name] {
                    let refusal = await bench.refusal(try liar.sign(header: #"{"alg":"\#(name)"}"#))
                    #expect(refusal == "the signature of the token is not good")
                }
            }
        }
    }

    @Test("No bit of a signature can be changed")
    func flippedBits() async throws {
        for forge in try await Forge.all() {
            let bench = try Bench(forge)
            let token = try forge.sign()
            let point = try #require(token.lastIndex(of: "."))
            let signature = try #require(Base64URL.decode(token[point...].dropFirst().utf8))
            for index in 0..<(signature.count * 8) {
                var changed = signature
                changed[index / 8] ^= 1 << UInt8(index % 8)
                let verdict = await bench.verify("\(token[...point])\(Base64URL.encode(changed))")
                #expect(verdict.refusal == "the signature of the token is not good")
            }
            #expect(await bench.verify(token).access != nil)
        }
    }

    @Test("No character of a token can be changed, left out or doubled")
    func changedCharacters() async throws {
        let forge = try await Forge.secret()
        let bench = try Bench(forge)
        let token = Array(try forge.sign().utf8)
        for index in token.indices {
            for byte in [UInt8(ascii: "A"), UInt8(ascii: "_"), UInt8(ascii: "."), token[index] ^ 1]
            where byte != token[index] {
                var changed = token
                changed[index] = byte
                #expect(await bench.refusal(String(decoding: changed, as: UTF8.self)) != nil)
            }
            let shorter = token[..<index] + token[(index + 1)...]
            #expect(await bench.refusal(String(decoding: shorter, as: UTF8.self)) != nil)
            let longer = token[...index] + token[index...]
            #expect(await bench.refusal(String(decoding: longer, as: UTF8.self)) != nil)
            #expect(await bench.refusal(String(decoding: token[..<index], as: UTF8.self)) != nil)
        }
    }

    @Test("Signatures of odd lengths are refused and nothing else")
    func oddLengths() async throws {
        for forge in try await Forge.all() {
            let bench = try Bench(forge)
            let token = try forge.sign()
            let signed = token[..<(try #require(token.lastIndex(of: ".")))]
            for count in [1, 2, 31, 32, 33, 63, 64, 65, 255, 256, 257, 1_000] {
                for byte: UInt8 in [0, 0xFF] {
                    let signature = [UInt8](repeating: byte, count: count)
                    let refusal = await bench.refusal("\(signed).\(Base64URL.encode(signature))")
                    #expect(refusal == "the signature of the token is not good")
                }
            }
        }
    }

    @Test("A header cannot bring its own key")
    func ownKey() async throws {
        let (trusted, liar) = (try await Forge.p256(), try await Forge.p256())
        let bench = try Bench(trusted)
        let text = liar.publicText.replacing("\n", with: "\\n")
        let headers = [
            #"{"alg":"ES256","jwk":{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}}"#,
            #"{"alg":"ES256","jku":"https://example.com/keys"}"#,
            #"{"alg":"ES256","x5u":"https://example.com/key","x5c":["\#(text)"]}"#,
        ]
        for header in headers {
            let refusal = await bench.refusal(try liar.sign(header: header))
            #expect(refusal == "the signature of the token is not good")
            // What is not looked at does not harm a good one.
            #expect(await bench.verify(try trusted.sign(header: header)).access != nil)
        }
    }

    @Test("The examples of RFC 7515 and RFC 8037 are read as they should be")
    func examples() async throws {
        let payload =
            "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290"
            + "Ijp0cnVlfQ"
        let modulus =
            "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEz"
            + "P1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf6"
            + "3kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5Zw"
            + "Kh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRW"
            + "yuXpoQ"
        let secret =
            "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CA"
            + "ow"
        let (x, y) = (
            "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"
        )
        let bench = try Bench(keys: [
            """
            {"keys":[{"kty":"RSA","n":"\(modulus)","e":"AQAB"},\
            {"kty":"EC","crv":"P-256","x":"\(x)","y":"\(y)"},\
            {"kty":"oct","alg":"HS256","k":"\(secret)"},\
            {"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}
            """
        ])
        let tokens = [
            "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.\(payload)."
                + "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
            "eyJhbGciOiJSUzI1NiJ9.\(payload)."
                + "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF"
                + "5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK"
                + "5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqt"
                + "FZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrB"
                + "p0igcN_IoypGlUPQGe77Rw",
            "eyJhbGciOiJFUzI1NiJ9.\(payload)."
                + "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-K"
                + "g6NU1Q",
        ]
        for token in tokens {
            #expect(await bench.refusal(token, now: 1_300_819_379_999) == nil)
            #expect(await bench.refusal(token, now: 1_300_819_380_000) == "the token has expired")
        }
        // Its payload is a sentence: the signature is good.
        let sentence =
            "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-"
            + "09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
        #expect(await bench.refusal(sentence) == "the payload of the token is no JSON")
    }
}
