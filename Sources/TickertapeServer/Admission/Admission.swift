import Foundation
import NIOCore
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
    private let throttleSecondsMax: Double
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
        self.throttleSecondsMax = limits.throttleSecondsMax
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

    // MARK: - Looking at a credential

    /// What `credential` grants; nothing where its signature has to be verified first.
    func known(_ credential: String) -> CheckedCredential? {
        // Before it is asked: what changes meanwhile is asked about again.
        let generation = self.authenticator.generation
        return self.authenticator.known(credential, now: self.nowMilliseconds).map {
            CheckedCredential(credential: credential, verdict: $0, generation: generation)
        }
    }

    /// Has the signature of `credential` verified off the loop; `then` is called on it.
    func verify(
        _ credential: String,
        on loop: any EventLoop,
        then: @escaping (CheckedCredential) -> Void
    ) {
        let authenticator = self.authenticator
        let generation = authenticator.generation
        let now = self.nowMilliseconds
        loop.makeFutureWithTask { await authenticator.verify(credential, now: now) }
            .assumeIsolated().whenSuccess { verdict in
                then(
                    CheckedCredential(
                        credential: credential,
                        verdict: verdict,
                        generation: generation
                    )
                )
            }
    }

    /// - Throws: What is wrong with the credential.
    func admit(
        _ checked: CheckedCredential,
        at address: ClientShare
    ) throws(Problem) -> Admitted {
        let access: Access
        switch checked.verdict {
        case .refused(let problem): throw problem
        case .granted(let granted): access = granted
        }
        // Keys and tokens may have gone while it waited.
        if let end = self.authenticator.end(of: access, now: self.nowMilliseconds) {
            throw Problem(end)
        }
        return Admitted(
            access: access,
            credential: checked.credential,
            generation: checked.generation,
            share: access.client.map { self.shares.share(ofToken: $0) } ?? address
        )
    }

    /// Who shows no credential.
    func admitAnonymous(at address: ClientShare) -> Admitted {
        Admitted(
            access: self.authenticator.anonymous,
            credential: nil,
            generation: self.authenticator.generation,
            share: address
        )
    }

    // MARK: - What may be done

    func checkPublish(_ access: Access?, to topic: TopicName) throws(Problem) {
        guard access?.grant.allowsPublish(to: topic) ?? false else {
            throw self.refusal(of: access, "publish to \(topic)")
        }
    }

    func checkStop(_ access: Access?, of topic: TopicName) throws(Problem) {
        guard access?.grant.allowsStop(of: topic) ?? false else {
            throw self.refusal(of: access, "stop \(topic)")
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

    /// As for one message, for all of a batch or none.
    func checkRate(_ share: ClientShare, of drafts: [Draft]) throws(RateExceeded) {
        var loads: [TopicPattern?: ClientShare.Load] = [:]
        for draft in drafts {
            let policy = self.ratedPolicies?.policy(for: draft.topic)
            var load = loads[policy?.pattern] ?? ClientShare.Load(policy: policy)
            load.messages += 1
            load.bytes += Double(draft.bytes)
            loads[policy?.pattern] = load
        }
        let seconds = share.publish(Array(loads.values))
        if seconds > 0 { throw RateExceeded(seconds: seconds) }
    }

    /// Calls `then` when a client that publishes too fast is listened to again: who does not wait
    /// by itself costs no more than who does.
    func throttle(
        _ excess: RateExceeded,
        on loop: any EventLoop,
        then: @escaping () -> Void
    ) {
        let seconds = min(excess.seconds, self.throttleSecondsMax)
        loop.assumeIsolated().scheduleTask(in: .nanoseconds(Int64(seconds * 1_000_000_000))) {
            then()
        }
    }
}

/// A credential, and what was found about it.
struct CheckedCredential {
    let credential: String
    let verdict: Verdict
    /// Of the authenticator, before it was asked.
    let generation: Int
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
