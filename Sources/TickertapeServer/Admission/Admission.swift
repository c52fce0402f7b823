import Foundation
import TickertapeAccess
import TickertapeCore
import TickertapeWire

/// What decides who is served, as the operator has set it.
package struct AdmissionRules: Sendable {
    package var browsers = BrowserRules()
    package var proxies = TrustedProxies()
    /// The cookie that carries a credential.
    package var cookieName = "tickertape_token"

    package init() {}
}

/// Decides who a request is from and what it may do, for the connections of one event loop.
///
/// Confined to its event loop.
final class Admission {
    let rules: AdmissionRules
    let authenticator: Authenticator
    let shares: FairShares
    let limits: Limits
    private let policies: @Sendable () -> PolicySet
    /// Those in force, while one of them has a rate.
    private var ratedPolicies: PolicySet?

    init(
        _ rules: AdmissionRules,
        authenticator: Authenticator,
        shares: FairShares,
        limits: Limits,
        policies: @escaping @Sendable () -> PolicySet
    ) {
        self.rules = rules
        self.authenticator = authenticator
        self.shares = shares
        self.limits = limits
        self.policies = policies
        self.refreshPolicies()
    }

    /// Some times a second: so long a rate that was set may not be in force yet.
    func refreshPolicies() {
        let policies = self.policies()
        self.ratedPolicies = policies.hasPublishRates ? policies : nil
    }

    var nowMilliseconds: Int64 { Int64(Date().timeIntervalSince1970 * 1_000) }

    /// Whether what was granted may be used without asking again.
    func holds(_ admitted: Admitted) -> Bool {
        guard let access = admitted.access, access.canEnd else { return true }
        return admitted.generation == self.authenticator.generation
            && self.nowMilliseconds < access.expiresMilliseconds
    }

    /// The share that `access` is counted for; without one, that of the address.
    func share(of access: Access?, at address: ClientShare) -> ClientShare {
        access?.client.map { self.shares.share(ofToken: $0) } ?? address
    }

    /// The credential of a request, wherever it stands.
    func credential(
        _ header: RequestHeader,
        inQuery query: String?,
        takesCookies: Bool
    ) throws(Problem) -> String? {
        if let authorization = header.authorization, let bearer = try self.bearer(authorization) {
            guard header.authorizationCount == 1, query == nil else {
                throw Problem(
                    .repeatedParameter,
                    "a request has one credential: in Authorization or as 'access_token'"
                )
            }
            return bearer
        }
        if let query { return query }
        return takesCookies ? try self.cookie(header) : nil
    }

    /// `Bearer ttk_…` (RFC 6750 §2.1).
    private func bearer(_ value: String) throws(Problem) -> String? {
        let text = trimmed(value[...])
        guard let space = text.utf8.firstIndex(of: UInt8(ascii: " ")),
            isSame(text[..<space], "bearer")
        else {
            // Nothing is asked here: what a proxy wants of its own users is not looked at.
            if self.authenticator.isOpen { return nil }
            throw Problem(.invalidToken, "the one scheme known is Bearer (RFC 6750)")
        }
        return String(trimmed(text[space...]))
    }

    private func cookie(_ header: RequestHeader) throws(Problem) -> String? {
        var found: String?
        for pair in header.cookie.split(separator: ";") {
            guard let mark = pair.utf8.firstIndex(of: UInt8(ascii: "=")),
                trimmed(pair[..<mark]) == self.rules.cookieName
            else { continue }
            var value = trimmed(pair[pair.utf8.index(after: mark)...])
            if value.count >= 2, value.first == "\"", value.last == "\"" {
                value = value.dropFirst().dropLast()
            }
            // Another host of the domain may have set one beside ours.
            guard found == nil || found == String(value) else {
                throw Problem(
                    .invalidToken,
                    "the cookie \(self.rules.cookieName) stands twice with different values"
                )
            }
            found = String(value)
        }
        return found
    }

    /// What `credential` grants, where it can be told at once.
    func verdict(on credential: String) -> Verdict? {
        self.authenticator.known(credential, now: self.nowMilliseconds)
    }

    // MARK: - What may be done

    func checkPublish(_ access: Access?, to topic: TopicName) throws(Problem) {
        guard access?.grant.allowsPublish(to: topic) ?? false else {
            throw self.refusal(of: access, "publish to \(topic)")
        }
    }

    func checkSubscribe(_ access: Access?, to filter: TopicFilter) throws(Problem) {
        for pattern in filter.patterns {
            guard access?.grant.allowsSubscribe(to: pattern) ?? false else {
                throw self.refusal(of: access, "subscribe to \(pattern)")
            }
        }
    }

    /// Who has shown nothing may have something to show.
    private func refusal(of access: Access?, _ action: String) -> Problem {
        guard let access, access.canEnd else {
            return Problem(
                .unauthorized,
                """
                to \(action) needs a token: in Authorization: Bearer, as ?access_token= or in the \
                cookie \(self.rules.cookieName)
                """
            )
        }
        return Problem(.forbidden, "the token does not grant to \(action)")
    }

    /// - Throws: `rate_limited` when the client publishes too fast.
    func checkRate(_ share: ClientShare, _ topic: TopicName, bytes: Int) throws(RateExceeded) {
        let policy = self.ratedPolicies?.policy(for: topic)
        let seconds = share.publish(bytes: bytes, under: policy)
        if seconds > 0 { throw RateExceeded(seconds: seconds) }
    }
}

/// A client publishes too fast.
struct RateExceeded: Error {
    /// Until it may again.
    let seconds: Double

    var problem: Problem {
        Problem(
            .rateLimited,
            "this client publishes faster than it may; see Retry-After",
            retryAfterSeconds: max(1, Int(min(self.seconds, 3_600).rounded(.up)))
        )
    }
}

/// A client whose credential was looked at, and the share it is counted for.
final class Admitted {
    /// Nothing for one that showed none where one is needed.
    let access: Access?
    /// The text it showed.
    let credential: String?
    let generation: Int
    let share: ClientShare

    init(access: Access?, credential: String?, generation: Int, share: ClientShare) {
        self.access = access
        self.credential = credential
        self.generation = generation
        self.share = share
        share.hold()
    }

    deinit {
        self.share.letGo()
    }
}

extension Problem {
    /// What was granted is no longer.
    init(_ end: AccessEnd) {
        switch end {
        case .expired: self.init(.invalidToken, "the token has expired")
        case .revoked: self.init(.invalidToken, "the token was revoked")
        }
    }
}

extension Access {
    /// Whether it may end before the broker does.
    var canEnd: Bool {
        switch self.source {
        case .open, .anonymous: false
        case .token, .key: true
        }
    }
}
