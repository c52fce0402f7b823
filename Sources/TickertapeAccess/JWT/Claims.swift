import TickertapeCore

/// What a JWT says, its signature checked.
struct Claims: Sendable {
    /// What is asked of every JWT.
    struct Rules: Sendable {
        /// Who must have issued it; nothing for anyone.
        var issuer: String?
        /// Whom it must be for, one of them; empty for anyone.
        var audiences: [String] = []
    }

    let grant: Grant
    /// It is good before this moment, and not at it; there is no leeway.
    let expiresMilliseconds: Int64
    /// It is good from this moment on.
    let notBeforeMilliseconds: Int64
    let subject: String?

    /// The end of the year 9999, after which times cannot be written.
    private static let secondsMax = 253_402_300_799.0

    init(_ payload: [UInt8], _ rules: Rules) throws(SignedToken.Refusal) {
        let claims: StrictJSON
        do {
            claims = try StrictJSON(payload)
        } catch {
            throw SignedToken.Refusal("the payload of the token \(error.sentence)")
        }
        guard claims.isObject else {
            throw SignedToken.Refusal("the payload of the token is no JSON object")
        }
        self.expiresMilliseconds = try Self.expiry(claims["exp"])
        self.notBeforeMilliseconds = try Self.notBefore(claims["nbf"])
        try Self.check(claims, rules)
        switch claims["sub"] {
        case nil: self.subject = nil
        case .string(let text): self.subject = text.isEmpty ? nil : text
        default: throw SignedToken.Refusal("the sub of the token is no string")
        }
        self.grant = try Self.grant(claims["tickertape"])
    }

    private static func expiry(_ value: StrictJSON?) throws(SignedToken.Refusal) -> Int64 {
        guard let value else {
            throw SignedToken.Refusal("the token has no exp, which is required")
        }
        guard case .number(let seconds) = value else {
            throw SignedToken.Refusal("the exp of the token is no number")
        }
        guard seconds <= Self.secondsMax else {
            throw SignedToken.Refusal(
                "the exp of the token is after the year 9999; it is in seconds since 1970"
            )
        }
        return Self.milliseconds(seconds)
    }

    private static func notBefore(_ value: StrictJSON?) throws(SignedToken.Refusal) -> Int64 {
        guard let value else { return .min }
        guard case .number(let seconds) = value else {
            throw SignedToken.Refusal("the nbf of the token is no number")
        }
        return Self.milliseconds(min(seconds, Self.secondsMax))
    }

    /// The nearest millisecond to `seconds`, which may be any number up to `secondsMax`.
    private static func milliseconds(_ seconds: Double) -> Int64 {
        Int64((max(seconds, -Self.secondsMax) * 1_000).rounded())
    }

    private static func check(
        _ claims: StrictJSON,
        _ rules: Rules
    ) throws(SignedToken.Refusal) {
        if let issuer = rules.issuer {
            guard let claimed = claims["iss"]?.text, bytesAreEqual(claimed, issuer) else {
                throw SignedToken.Refusal("the token is not of the issuer this broker trusts (iss)")
            }
        }
        if !rules.audiences.isEmpty {
            let claimed = claims["aud"].flatMap { $0.text.map { [$0] } ?? $0.texts } ?? []
            let isMeant = claimed.contains { one in
                rules.audiences.contains { bytesAreEqual($0, one) }
            }
            guard isMeant else {
                throw SignedToken.Refusal(
                    "the token is for another audience than this broker (aud)"
                )
            }
        }
    }

    private static func grant(_ value: StrictJSON?) throws(SignedToken.Refusal) -> Grant {
        guard let value else { return .none }
        guard value.isObject else {
            throw SignedToken.Refusal("the tickertape claim of the token is no object")
        }
        return Grant(
            publish: try Self.patterns(value["publish"], "publish"),
            subscribe: try Self.patterns(value["subscribe"], "subscribe"),
            stop: try Self.patterns(value["stop"], "stop")
        )
    }

    private static func patterns(
        _ value: StrictJSON?,
        _ name: String
    ) throws(SignedToken.Refusal) -> [TopicPattern] {
        guard let value else { return [] }
        guard let texts = value.texts else {
            throw SignedToken.Refusal(
                "'\(name)' in the tickertape claim of the token is no array of strings"
            )
        }
        guard texts.count <= Grant.patternsMax else {
            throw SignedToken.Refusal(
                """
                '\(name)' in the tickertape claim of the token has \(texts.count) patterns, but \
                may have \(Grant.patternsMax)
                """
            )
        }
        var patterns: [TopicPattern] = []
        for text in texts {
            do {
                patterns.append(try TopicPattern(text))
            } catch {
                throw SignedToken.Refusal(
                    """
                    '\(name)' in the tickertape claim of the token has a bad pattern: \
                    \(error.sentence)
                    """
                )
            }
        }
        return patterns
    }
}
