package import TickertapeCore
package import TickertapeWire

/// Who a client is, as its credential has shown, and what it may do.
package final class Access: Sendable {
    package enum Source: Hashable, Sendable {
        /// Nothing is asked in an open broker.
        case open
        /// It showed no credential.
        case anonymous
        /// An access token, by its number.
        case token(Int64)
        /// A JWT that was verified with the key of this thumbprint.
        case key(String)
    }

    package let grant: Grant
    package let source: Source
    /// When it ends by itself; `Int64.max` for never.
    package let expiresMilliseconds: Int64
    /// Whom to count its use for; nothing for those who are known by their address alone.
    package let client: String?

    package init(
        grant: Grant,
        source: Source,
        expiresMilliseconds: Int64 = .max,
        client: String? = nil
    ) {
        self.grant = grant
        self.source = source
        self.expiresMilliseconds = expiresMilliseconds
        self.client = client
    }
}

/// Why an access ends.
package enum AccessEnd: String, Sendable {
    case expired
    case revoked
}

/// What became of a credential.
package enum Verdict: Sendable {
    case granted(Access)
    /// 401 `invalid_token`.
    case refused(Problem)
}
