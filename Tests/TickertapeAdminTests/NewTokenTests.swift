import Foundation
import NIOCore
import Testing
import TickertapeAccess
import TickertapeCore
import TickertapeLog

@testable import TickertapeAdmin

/// What a body says a new token shall grant.
struct NewTokenTests {
    /// 2026-01-02T09:30:00Z.
    private let now: Int64 = 1_767_346_200_000
    private let secret = TokenSecret()

    private func token(_ text: String) throws -> NewToken {
        let body = try JSONValue(parsing: ByteBuffer(string: text))
        return try NewToken(body, self.secret, atMilliseconds: self.now)
    }

    private func problem(_ text: String) -> AdminProblem? {
        #expect(throws: AdminProblem.self, "\(text)") { _ = try self.token(text) }
    }

    @Test("A grant is read whole, and nothing of the token is kept but its hash and how it begins")
    func grant() throws {
        let token = try self.token(
            #"{"publish":["a/**","é"],"subscribe":["**"],"expires_in_seconds":60,"note":"é"}"#
        )
        #expect(token.grant.publish.map(\.text) == ["a/**", "é"])
        #expect(token.grant.subscribe.map(\.text) == ["**"])
        #expect(token.expiresMilliseconds == self.now + 60_000)
        #expect(token.note == "é")
        #expect(token.hash == self.secret.hash)
        #expect(self.secret.text.hasPrefix(token.hint) && token.hint.utf8.count == 12)
    }

    @Test("A token may grant to stop alone")
    func stop() throws {
        let token = try self.token(#"{"stop":["answers/*","a"]}"#)
        #expect(token.grant.stop.map(\.text) == ["answers/*", "a"])
        #expect(token.grant.publish.isEmpty && token.grant.subscribe.isEmpty)
        let problem = try #require(self.problem(#"{"stop":["a//b"]}"#))
        #expect(problem.detail.hasPrefix("'a//b' in 'stop' is no pattern: "))
    }

    @Test("What is left out grants nothing and does not end")
    func defaults() throws {
        let token = try self.token(#"{"subscribe":["a"]}"#)
        #expect(token.grant.publish == [])
        #expect(token.expiresMilliseconds == nil)
        #expect(token.note == "")
        let same = try self.token(
            #"{"publish":[],"subscribe":["a"],"expires_in_seconds":null,"expires_at":null}"#
        )
        #expect(same.grant == token.grant && same.expiresMilliseconds == nil)
    }

    @Test(
        "An end is a time to come, ten years ahead at most",
        arguments: [
            (#""expires_at":"2026-01-02T09:30:00.001Z""#, 1),
            (#""expires_at":"2026-01-02T10:31:00+01:00""#, 60_000),
            (#""expires_at":"2036-01-02T09:30:00Z","expires_in_seconds":null"#, 315_532_800_000),
            (#""expires_in_seconds":316224000"#, 316_224_000_000),
        ] as [(String, Int64)]
    )
    func ends(field: String, after: Int64) throws {
        let token = try self.token("{\"publish\":[\"a\"],\(field)}")
        #expect(token.expiresMilliseconds == self.now + after)
    }

    @Test(
        "What makes no token says which field, and what would be right",
        arguments: [
            ("{}", "at least one pattern"), (#"{"stop":[]}"#, "'subscribe' or 'stop'"),
            (#"{"stop":"a"}"#, "'stop' in the body is an array"),
            (#"{"publish":[],"subscribe":[]}"#, "at least one"),
            ("[]", "a JSON object"), (#"{"publish":"a"}"#, "'publish' in the body is an array"),
            (#"{"subscribe":["a",1]}"#, "'subscribe' in the body is an array of strings"),
            (#"{"subscribe":null}"#, "an array of strings, not null"),
            (#"{"subscribe":["a"],"expires_in_seconds":0}"#, "from 1 to 316224000, not 0"),
            (#"{"subscribe":["a"],"expires_in_seconds":316224001}"#, "from 1 to 316224000"),
            (#"{"subscribe":["a"],"expires_in_seconds":1.5}"#, "a whole number"),
            (#"{"subscribe":["a"],"expires_at":"2026-01-02T09:30:00Z"}"#, "has passed"),
            (#"{"subscribe":["a"],"expires_at":"2025-01-01T00:00:00Z"}"#, "has passed"),
            (#"{"subscribe":["a"],"expires_at":"2037-01-02T00:00:00Z"}"#, "at most ten years"),
            (#"{"subscribe":["a"],"expires_at":"soon"}"#, "a time such as"),
            (#"{"subscribe":["a"],"expires_at":5}"#, "'expires_at' in the body is a string"),
            (
                #"{"subscribe":["a"],"expires_at":"2027-01-01T00:00:00Z","expires_in_seconds":5}"#,
                "give 'expires_in_seconds' or 'expires_at'"
            ),
            (#"{"subscribe":["a"],"note":5}"#, "'note' in the body is a string"),
            (#"{"subscribe":["a"],"token":"ttk_x"}"#, "not 'token'"),
        ]
    )
    func refused(body: String, part: String) throws {
        let problem = try #require(self.problem(body))
        #expect(problem.code == "invalid_body")
        #expect(problem.detail.contains(part), "\(problem.detail)")
    }

    @Test("A pattern that is none is named, with its list and the rule")
    func patterns() throws {
        let problem = try #require(self.problem(#"{"publish":["a","a//b"]}"#))
        #expect(problem.code == "invalid_pattern")
        #expect(problem.detail.hasPrefix("'a//b' in 'publish' is no pattern: "))
    }

    @Test("Lists and notes have their bounds")
    func bounds() throws {
        func body(_ patterns: Int, note: Int) -> String {
            let list = (0..<patterns).map { "\"a/\($0)\"" }.joined(separator: ",")
            return "{\"publish\":[\(list)],\"note\":\"\(String(repeating: "é", count: note))\"}"
        }
        #expect(try self.token(body(128, note: 128)).grant.publish.count == 128)
        #expect(self.problem(body(129, note: 0))?.detail.contains("at most 128 patterns") == true)
        #expect(self.problem(body(1, note: 129))?.detail.contains("at most 256 bytes") == true)
    }
}
