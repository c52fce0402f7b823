import Testing
import TickertapeCore
import TickertapeLog

@testable import TickertapeAccess

/// What a token looks like, before anyone asks who signed it.
@Suite struct TokenFormTests {
    @Test("What is not three segments of base64url is no token")
    func shapes() async throws {
        let forge = try await Forge.secret()
        let bench = try Bench(forge)
        let token = try forge.sign()
        let parts = token.split(separator: ".").map(String.init)
        let shapes = [
            "", ".", "..", "...", "a", "a.b", "a.b.c.d", "\(token).", ".\(token)", "\(token)..",
            "\(token).a", "\(token).a.b", "\(parts[0]).\(parts[1])", "\(parts[0]).\(parts[1]).",
            ".\(parts[1]).\(parts[2])", "\(parts[0])..\(parts[2])", "\(token)=", "\(token)==",
            "\(parts[0])=.\(parts[1]).\(parts[2])", " \(token)", "\(token) ", "\(token)\n",
            "\t\(token)", "\(parts[0]). \(parts[1]).\(parts[2])", "Bearer \(token)",
            token.replacing("e", with: "é"), token.replacing(".", with: "\u{0}"),
            token.replacing(".", with: "\u{FF0E}"), "\u{FEFF}\(token)", "🙂", "undefined", "null",
        ]
        for shape in shapes {
            #expect(await bench.refusal(shape) == "this is no token of this broker", "\(shape)")
        }
        // Digits that say nothing, or bits that are none: the same bytes, but not the same text.
        #expect(await bench.refusal("\(parts[0]).\(parts[1]).\(parts[2])A") != nil)
        #expect(await bench.verify(token).access != nil)
    }

    static let headers: [(header: String, refusal: String)] = [
        ("{", "the header of the token is no JSON"),
        ("null", "the header of the token is no JSON object"),
        ("[]", "the header of the token is no JSON object"),
        (#"["alg","HS256"]"#, "the header of the token is no JSON object"),
        (#""HS256""#, "the header of the token is no JSON object"),
        ("{}", "the header of the token has no alg"),
        (#"{"ALG":"HS256"}"#, "the header of the token has no alg"),
        (#"{"alg":null}"#, "the header of the token has no alg"),
        (#"{"alg":256}"#, "the header of the token has no alg"),
        (#"{"alg":["HS256"]}"#, "the header of the token has no alg"),
        (#"{"alg":{"HS256":1}}"#, "the header of the token has no alg"),
        (#"{"alg":"HS256"}}"#, "the header of the token is no JSON"),
        (#"{"alg":"HS256"} {}"#, "the header of the token is no JSON"),
        (#"{"alg":"HS256",}"#, "the header of the token is no JSON"),
        (#"{'alg':'HS256'}"#, "the header of the token is no JSON"),
        (#"{"alg":"HS256"}//"#, "the header of the token is no JSON"),
        ("\u{FEFF}{\"alg\":\"HS256\"}", "the header of the token is no JSON"),
        (#"{"alg":"HS256","x":"\ud800"}"#, "the header of the token is no JSON"),
        (#"{"alg":"HS256","x":NaN}"#, "the header of the token is no JSON"),
        (#"{"alg":"none","alg":"HS256"}"#, "the header of the token has a member twice"),
        (#"{"alg":"HS256","alg":"HS256"}"#, "the header of the token has a member twice"),
        (#"{"alg":"HS256","\u0061lg":"none"}"#, "the header of the token has a member twice"),
        (#"{"alg":"HS256","x":{"y":1,"y":2}}"#, "the header of the token has a member twice"),
        (
            #"{"alg":"HS256","crit":["exp"]}"#,
            "the header of the token asks for an extension (crit, b64)"
        ),
        (
            #"{"alg":"HS256","crit":[]}"#,
            "the header of the token asks for an extension (crit, b64)"
        ),
        (
            #"{"alg":"HS256","crit":null}"#,
            "the header of the token asks for an extension (crit, b64)"
        ),
        (
            #"{"alg":"HS256","crit":["b64"],"b64":false}"#,
            "the header of the token asks for an extension (crit, b64)"
        ),
        (
            #"{"alg":"HS256","b64":false}"#,
            "the header of the token asks for an extension (crit, b64)"
        ),
        (#"{"alg":"HS256","kid":1}"#, "the kid in the header of the token is no string"),
        (#"{"alg":"HS256","kid":null}"#, "the kid in the header of the token is no string"),
        (
            #"{"alg":"HS256","x":\#(String(repeating: "[", count: 4_000))"#,
            "the header of the token has more than 16 levels of arrays and objects"
        ),
        (
            #"{"alg":"HS256","x":\#(String(repeating: #"{"a":"#, count: 900))"#,
            "the header of the token has more than 16 levels of arrays and objects"
        ),
    ]

    @Test("A header with a good signature is still refused for what it says", arguments: headers)
    func checkHeaders(_ row: (header: String, refusal: String)) async throws {
        let forge = try await Forge.secret()
        let bench = try Bench(forge)
        #expect(await bench.refusal(try forge.sign(header: row.header)) == row.refusal)
    }

    @Test("A header that is no UTF-8 is refused")
    func notUTF8() async throws {
        let forge = try await Forge.secret()
        let bench = try Bench(forge)
        for bytes: [UInt8] in [
            [0xFF], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xF5, 0x80, 0x80, 0x80],
        ] {
            let header = Array(#"{"alg":"HS256","x":""#.utf8) + bytes + Array(#""}"#.utf8)
            let refusal = await bench.refusal(try forge.sign(header: header, Array("{}".utf8)))
            #expect(refusal == "the header of the token is no UTF-8")
        }
    }

    @Test("A kid is a name among the keys, and no path, query or pattern")
    func keyIDs() async throws {
        let forge = try await Forge.secret()
        let key = Base64URL.encode(Array(Forge.secret.utf8))
        let set = #"{"keys":[{"kty":"oct","alg":"HS256","kid":"K","k":"\#(key)"}]}"#
        let bench = try Bench(keys: [set])
        let ids = [
            "", "k", "K ", "../K", "../../../../dev/null", "/dev/null", "K\\u0000", "\\u212A",
            "' OR 1=1 --", "*", "%4B", "file:///dev/null", "0", "K/K",
        ]
        for id in ids {
            let refusal = await bench.refusal(
                try forge.sign(header: #"{"alg":"HS256","kid":"\#(id)"}"#)
            )
            #expect(refusal == "this broker has no key of the token's kid", "\(id)")
        }
        for header in [#"{"alg":"HS256","kid":"K"}"#, #"{"alg":"HS256"}"#] {
            #expect(await bench.verify(try forge.sign(header: header)).access != nil)
        }
    }

    @Test("A token over the bound is refused before it is looked at, one at the bound is not")
    func lengths() async throws {
        let forge = try await Forge.secret()
        let bench = try Bench(forge)
        let bound = Limits().credentialBytesMax
        func token(padding: Int) throws -> String {
            let more = #","x":"\#(String(repeating: "x", count: padding))""#
            return try forge.sign(Forge.payload(more: more))
        }
        let base = try token(padding: 0).utf8.count
        let paddings = ((bound - base) * 3 / 4 - 4)...((bound - base) * 3 / 4 + 4)
        var lengths: Set<Int> = []
        for padding in paddings {
            let text = try token(padding: padding)
            lengths.insert(text.utf8.count)
            let refusal = await bench.refusal(text)
            let isOver = text.utf8.count > bound
            #expect(refusal == (isOver ? "the token is longer than 8192 bytes" : nil))
        }
        #expect(lengths.contains { $0 <= bound } && lengths.contains { $0 > bound })
        #expect(await bench.refusal(String(repeating: "e", count: 1_000_000)) != nil)
    }

    @Test("Where there are no keys no JWT is good, and access tokens still are")
    func withoutKeys() async throws {
        let bench = try Bench(keys: [])
        let token = try await Forge.secret().sign()
        #expect(await bench.refusal(token) == "this broker takes no JWT")
        let secret = TokenSecret()
        bench.tokens.change { tokens in
            tokens.put(
                StoredToken(
                    id: 1,
                    hash: secret.hash,
                    hint: secret.hint,
                    grant: .everything,
                    createdMilliseconds: 0,
                    expiresMilliseconds: nil,
                    note: ""
                )
            )
        }
        #expect(bench.authenticator.known(secret.text, now: 0)?.access?.source == .token(1))
    }
}
