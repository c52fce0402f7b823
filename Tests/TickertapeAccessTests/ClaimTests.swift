import Testing
import TickertapeCore

@testable import TickertapeAccess

/// What a token says, once it is known who signed it.
@Suite struct ClaimTests {
    @Test("A token is good from nbf on and before exp, to the millisecond and without leeway")
    func times() async throws {
        let forge = try await Forge.secret()
        let bench = try Bench(forge)
        let token = try forge.sign(Forge.payload(exp: 2_000, more: #","nbf":1000"#))
        #expect(await bench.refusal(token, now: 999_999) == "the token is not yet valid")
        // What was refused a moment ago is good now: nothing of it was kept.
        #expect(await bench.refusal(token, now: 1_000_000) == nil)
        #expect(await bench.refusal(token, now: 1_999_999) == nil)
        #expect(await bench.refusal(token, now: 2_000_000) == "the token has expired")
        let access = try #require(await bench.verify(token, now: 1_999_999).access)
        #expect(bench.authenticator.end(of: access, now: 1_999_999) == nil)
        #expect(bench.authenticator.end(of: access, now: 2_000_000) == .expired)
    }

    static let expired = "the token has expired"
    static let late = "the exp of the token is after the year 9999; it is in seconds since 1970"

    static let numbers: [(claims: String, refusal: String?)] = [
        (#""exp":1000.001"#, nil), (#""exp":1000.0001"#, Self.expired),
        (#""exp":1000"#, Self.expired),
        (#""exp":1001"#, nil), (#""exp":1e3"#, Self.expired), (#""exp":1.5E+3"#, nil),
        (#""exp":0"#, Self.expired), (#""exp":-0"#, Self.expired), (#""exp":-1"#, Self.expired),
        (#""exp":-1e300"#, Self.expired), (#""exp":-1e999"#, Self.expired),
        (#""exp":9223372036854775807"#, Self.late), (#""exp":9223372036854775808"#, Self.late),
        (#""exp":1e300"#, Self.late), (#""exp":1e999"#, Self.late),
        (#""exp":253402300799"#, nil), (#""exp":253402300800"#, Self.late),
        (#""exp":1767225600000"#, Self.late),
        (#""exp":1\#(String(repeating: "0", count: 400))"#, Self.late),
        (#""exp":2000.\#(String(repeating: "9", count: 2_000))"#, nil),
        (#""exp":"2000""#, "the exp of the token is no number"),
        (#""exp":true"#, "the exp of the token is no number"),
        (#""exp":null"#, "the exp of the token is no number"),
        (#""exp":[2000]"#, "the exp of the token is no number"),
        (#""exp":{}"#, "the exp of the token is no number"),
        (#""EXP":2000"#, "the token has no exp, which is required"),
        (#""iat":2000"#, "the token has no exp, which is required"),
        (#""exp":2000,"exp":1"#, "the payload of the token has a member twice"),
        (#""exp":1,"\u0065xp":2000"#, "the payload of the token has a member twice"),
        (#""exp":02000"#, "the payload of the token is no JSON"),
        (#""exp":+2000"#, "the payload of the token is no JSON"),
        (#""exp":.5"#, "the payload of the token is no JSON"),
        (#""exp":2000."#, "the payload of the token is no JSON"),
        (#""exp":0x7D0"#, "the payload of the token is no JSON"),
        (#""exp":NaN"#, "the payload of the token is no JSON"),
        (#""exp":Infinity"#, "the payload of the token is no JSON"),
        (#""exp":2000,"nbf":1000"#, nil), (#""exp":2000,"nbf":-1e300"#, nil),
        (#""exp":2000,"nbf":1000.5"#, "the token is not yet valid"),
        (#""exp":2000,"nbf":1e300"#, "the token is not yet valid"),
        (#""exp":2000,"nbf":1e999"#, "the token is not yet valid"),
        (#""exp":2000,"nbf":"0""#, "the nbf of the token is no number"),
        (#""exp":2000,"nbf":null"#, "the nbf of the token is no number"),
        (#""exp":2000,"sub":"""#, nil), (#""exp":2000,"sub":"anna""#, nil),
        (#""exp":2000,"sub":1"#, "the sub of the token is no string"),
        (#""exp":2000,"sub":null"#, "the sub of the token is no string"),
    ]

    @Test("Claims out of range, of other types or given twice are refused", arguments: numbers)
    func checkNumbers(_ row: (claims: String, refusal: String?)) async throws {
        let forge = try await Forge.secret()
        let bench = try Bench(forge)
        #expect(await bench.refusal(try forge.sign("{\(row.claims)}")) == row.refusal)
    }

    @Test("A payload that is no JSON object is refused")
    func payloads() async throws {
        let forge = try await Forge.secret()
        let bench = try Bench(forge)
        for payload in ["null", "[]", "2000", #""exp""#, "true"] {
            let refusal = await bench.refusal(try forge.sign(payload))
            #expect(refusal == "the payload of the token is no JSON object")
        }
        for payload in ["{", "}", " ", #"{"exp":2000}{"#, "hello", #"{"exp" 2000}"#] {
            let refusal = await bench.refusal(try forge.sign(payload))
            #expect(refusal == "the payload of the token is no JSON")
        }
        let deep = String(repeating: "[", count: 3_000)
        let refusal = await bench.refusal(try forge.sign(#"{"exp":2000,"x":\#(deep)"#))
        #expect(refusal == "the payload of the token has more than 16 levels of arrays and objects")
    }

    static let grants: [(claim: String, refusal: String?)] = [
        (#"{}"#, nil), (#"{"publish":[]}"#, nil), (#"{"subscribe":["**"]}"#, nil),
        (#"{"stop":["a/*"]}"#, nil),
        (
            #"{"stop":"a"}"#,
            "'stop' in the tickertape claim of the token is no array of strings"
        ),
        (
            #"{"publish":["a"],"stop":["a//b"]}"#,
            "'stop' in the tickertape claim of the token has a bad pattern: a level must not be empty: no '/' at the start or end, no '//'"
        ),
        (#"null"#, "the tickertape claim of the token is no object"),
        (#"[]"#, "the tickertape claim of the token is no object"),
        (#""**""#, "the tickertape claim of the token is no object"),
        (#"true"#, "the tickertape claim of the token is no object"),
        (
            #"{"publish":"a"}"#,
            "'publish' in the tickertape claim of the token is no array of strings"
        ),
        (
            #"{"publish":null}"#,
            "'publish' in the tickertape claim of the token is no array of strings"
        ),
        (
            #"{"subscribe":["a",1]}"#,
            "'subscribe' in the tickertape claim of the token is no array of strings"
        ),
        (
            #"{"subscribe":[["**"]]}"#,
            "'subscribe' in the tickertape claim of the token is no array of strings"
        ),
        (
            #"{"subscribe":["a",""]}"#,
            "'subscribe' in the tickertape claim of the token has a bad pattern: a name must not be empty"
        ),
        (
            #"{"publish":["**/a"]}"#,
            "'publish' in the tickertape claim of the token has a bad pattern: '**' may only be the last level"
        ),
        (
            #"{"publish":["a","a"],"publish":["**"]}"#,
            "the payload of the token has a member twice"
        ),
    ]

    @Test("A grant that is not as it should be is none", arguments: grants)
    func checkGrants(_ row: (claim: String, refusal: String?)) async throws {
        let forge = try await Forge.secret()
        let bench = try Bench(forge)
        let token = try forge.sign(#"{"exp":2000,"tickertape":\#(row.claim)}"#)
        #expect(await bench.refusal(token) == row.refusal)
    }

    @Test("Without a claim a token is good for nothing; there is a bound to what it grants")
    func grantBounds() async throws {
        let forge = try await Forge.secret()
        let bench = try Bench(forge)
        let nothing = try #require(await bench.verify(try forge.sign(#"{"exp":2000}"#)).access)
        #expect(nothing.grant.isEmpty)
        for count in [Grant.patternsMax, Grant.patternsMax + 1] {
            let list = (0..<count).map { #""a/\#($0)""# }.joined(separator: ",")
            let token = try forge.sign(#"{"exp":2000,"tickertape":{"publish":[\#(list)]}}"#)
            let refusal = await bench.refusal(token)
            #expect((refusal == nil) == (count == Grant.patternsMax))
        }
    }

    static let audiences: [(claims: String, isGood: Bool)] = [
        (#""iss":"us","aud":"here""#, true), (#""iss":"us","aud":["there","here"]"#, true),
        (#""iss":"us","aud":["too"]"#, true), (#""iss":"us""#, false),
        (#""iss":"us","aud":[]"#, false), (#""iss":"us","aud":["there"]"#, false),
        (#""iss":"us","aud":"Here""#, false), (#""iss":"us","aud":"here ""#, false),
        (#""iss":"us","aud":["here",1]"#, false), (#""iss":"us","aud":{"here":1}"#, false),
        (#""iss":"us","aud":null"#, false), (#""aud":"here""#, false),
        (#""iss":"them","aud":"here""#, false), (#""iss":["us"],"aud":"here""#, false),
        (#""iss":"us/","aud":"here""#, false), (#""iss":null,"aud":"here""#, false),
    ]

    @Test("Issuer and audience are checked where they are configured", arguments: audiences)
    func checkAudiences(_ row: (claims: String, isGood: Bool)) async throws {
        let forge = try await Forge.secret()
        let strict = try Bench(secrets: [Forge.secret]) { configuration in
            configuration.issuer = "us"
            configuration.audiences = ["here", "too"]
        }
        let token = try forge.sign(#"{"exp":2000,\#(row.claims)}"#)
        let refusal = await strict.refusal(token)
        #expect((refusal == nil) == row.isGood, "\(refusal ?? "")")
        let lenient = try Bench(forge)
        #expect(await lenient.refusal(token) == nil)
    }

    @Test("All tokens of a subject are one client; those without a subject are one each")
    func clients() async throws {
        let (forge, other) = (try await Forge.secret(), try await Forge.ed25519())
        let bench = try Bench(forge, other)
        func client(_ forge: Forge, _ payload: String) async throws -> String {
            try #require(await bench.verify(try forge.sign(payload)).access?.client)
        }
        let anna = try await client(forge, #"{"exp":2000,"sub":"anna"}"#)
        #expect(try await client(forge, #"{"exp":2001,"sub":"anna"}"#) == anna)
        #expect(!anna.contains("anna"))
        let others = [
            try await client(forge, #"{"exp":2000,"sub":"Anna"}"#),
            try await client(other, #"{"exp":2000,"sub":"anna"}"#),
            try await client(forge, #"{"exp":2000}"#), try await client(forge, #"{"exp":2001}"#),
            try await client(forge, #"{"exp":2001,"sub":""}"#), anna,
        ]
        #expect(Set(others).count == others.count)
    }
}
