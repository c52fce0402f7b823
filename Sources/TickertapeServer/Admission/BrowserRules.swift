import TickertapeCore
import TickertapeWire

/// Which pages may use the broker (WHATWG Fetch §3.2, RFC 6454).
///
/// A browser attaches cookies, and reaches addresses that others do not: what a page may do is
/// decided by where the page is from, before anything is done. Clients that are no browsers send
/// no `Origin` and are not concerned.
package struct BrowserRules: Sendable {
    package var allowedOrigins: [AllowedOrigin] = []
    /// Whether only known names of this host are served: in an open broker nothing else keeps out a
    /// page whose own name was made to point here (DNS rebinding).
    package var checksHost = false
    /// Names besides those that are known anyway, in lower case.
    package var hosts: Set<String> = []
    /// Seconds for which browsers are told to come by TLS alone (RFC 6797); nothing when they are not.
    package var strictTransportSeconds: Int?

    package init() {}

    /// What a request gets for where it comes from.
    struct Judgement {
        var refusal: Problem?
        /// Go with every answer to it.
        var fields: ResponseFields = []
        /// Whether a cookie may speak for it.
        var takesCookies = true
    }

    func judge(_ header: RequestHeader, isSecure: Bool) -> Judgement {
        var judgement = Judgement()
        if self.checksHost, let host = header.host, !self.isKnown(host) {
            judgement.refusal = Problem(
                .forbiddenHost,
                """
                this broker is open and not served under the name '\(shortened(host))'; \
                the option --allow-host adds names
                """
            )
        }
        guard header.origin != nil || header.fetchSite != nil else { return judgement }
        judgement.fields = Self.safeFields
        if let origin = header.origin {
            self.judge(origin, header, isSecure: isSecure, &judgement)
        } else {
            judgement.fields.append(("Cross-Origin-Resource-Policy", "same-origin"))
            self.judgeFetch(header, &judgement)
        }
        return judgement
    }

    /// For a script that pages of any origin may run: modules are fetched with CORS, and nothing
    /// about it depends on who asks.
    static let publicJudgement = Judgement(
        fields: [
            ("X-Content-Type-Options", "nosniff"), ("Access-Control-Allow-Origin", "*"),
            ("Cross-Origin-Resource-Policy", "cross-origin"),
        ],
        takesCookies: false
    )

    /// No answer is anything but what it says it is, and none is kept for another origin.
    private static let safeFields: ResponseFields = [
        ("X-Content-Type-Options", "nosniff"), ("Vary", "Origin"),
    ]

    private func judge(
        _ text: String,
        _ header: RequestHeader,
        isSecure: Bool,
        _ judgement: inout Judgement
    ) {
        let origin = OriginParts(text.lowercased())
        if header.originCount == 1, let origin, self.isOwn(origin, header, isSecure: isSecure) {
            judgement.fields.append(("Cross-Origin-Resource-Policy", "same-origin"))
            return
        }
        let allowed = self.allowedOrigins.filter { $0 != .any && $0.matches(origin?.text ?? "") }
        if header.originCount == 1, let origin, !allowed.isEmpty {
            // Written anew from its parts: nothing of a client's comes back as it was.
            judgement.fields += [
                ("Access-Control-Allow-Origin", origin.text),
                ("Access-Control-Allow-Credentials", "true"),
            ]
        } else if self.allowedOrigins.contains(.any) {
            judgement.takesCookies = false
            judgement.fields.append(("Access-Control-Allow-Origin", "*"))
        } else {
            if judgement.refusal == nil { judgement.refusal = Self.foreignOrigin(text) }
            return
        }
        judgement.fields += Self.exposedFields
    }

    private static let exposedFields: ResponseFields = [
        (
            "Access-Control-Expose-Headers",
            "Location, ETag, Retry-After, Allow, WWW-Authenticate, Date"
        ),
        ("Cross-Origin-Resource-Policy", "cross-origin"),
    ]

    private static func foreignOrigin(_ origin: String) -> Problem {
        Problem(
            .forbiddenOrigin,
            """
            pages of '\(shortened(origin))' may not use this broker; the option --allow-origin \
            adds origins
            """
        )
    }

    /// Images, scripts and forms say nothing of their origin; browsers of today say this much.
    private func judgeFetch(_ header: RequestHeader, _ judgement: inout Judgement) {
        guard let site = header.fetchSite, isSame(site, "cross-site"), judgement.refusal == nil
        else { return }
        // A link that someone follows: the page it came from learns nothing.
        if let mode = header.fetchMode, isSame(mode, "navigate") { return }
        guard !self.allowedOrigins.contains(.any) else {
            judgement.takesCookies = false
            return
        }
        judgement.refusal = Problem(
            .forbiddenOrigin,
            "pages of other origins use this broker by requests that say their Origin (CORS)"
        )
    }

    private func isOwn(_ origin: OriginParts, _ header: RequestHeader, isSecure: Bool) -> Bool {
        guard let host = header.host.flatMap({ Authority(trimmed($0[...])) }) else { return false }
        let scheme = isSecure ? "https" : "http"
        let isDefault = host.port == (isSecure ? 443 : 80)
        let port = host.port.flatMap { isDefault ? nil : ":\($0)" } ?? ""
        return origin.scheme == scheme && origin.host == host.host && origin.portSuffix == port
    }

    /// Names that no page of another origin can have: those of this machine, addresses, and names
    /// without a dot, which nobody can register.
    private func isKnown(_ host: String) -> Bool {
        guard let authority = Authority(trimmed(host[...])) else { return false }
        let name = authority.host
        if name == "localhost" || self.hosts.contains(name) || name.hasPrefix("[") { return true }
        if name.hasSuffix(".localhost") { return true }
        guard name.utf8.contains(UInt8(ascii: ".")) else { return true }
        return IPAddress(name) != nil
    }

    /// What browsers that came by TLS are told of the transport.
    func transportFields(isSecure: Bool, isPublish: Bool) -> ResponseFields {
        // Pages are what it is for: publishes keep their short way.
        guard isSecure, !isPublish, let seconds = self.strictTransportSeconds else { return [] }
        return [("Strict-Transport-Security", "max-age=\(seconds)")]
    }

    /// The answer to a preflight (WHATWG Fetch §4.8) besides its other fields.
    static func preflightFields(_ limits: Limits) -> ResponseFields {
        [
            ("Access-Control-Allow-Methods", "GET, POST, OPTIONS"),
            (
                "Access-Control-Allow-Headers",
                """
                Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, \
                Last-Event-ID, Cache-Control
                """
            ),
            ("Access-Control-Max-Age", "\(limits.preflightSeconds)"),
        ]
    }
}
