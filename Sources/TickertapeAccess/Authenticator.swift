package import Logging
import Synchronization
package import TickertapeCore
package import TickertapeLog
import TickertapeWire

/// Tells what a credential grants.
///
/// Any thread. What was verified is kept by the hash of the credential, so that a signature is
/// checked once and not for each request.
package final class Authenticator: Sendable {
    package struct Configuration: Sendable {
        /// Everyone may do everything; a credential that is presented must still be good.
        package var isOpen = true
        /// What those without a credential may do.
        package var anonymous = Grant.none

        package init() {}
    }

    /// For those who present no credential; nothing when they may do nothing.
    package let anonymous: Access?
    private let isOpen: Bool
    private let tokens: TokenBoard

    package init(
        _ configuration: Configuration,
        tokens: TokenBoard,
        limits: Limits,
        logger: Logger
    ) throws {
        self.isOpen = configuration.isOpen
        self.tokens = tokens
        if configuration.isOpen {
            self.anonymous = Access(grant: .everything, source: .open)
        } else if configuration.anonymous.isEmpty {
            self.anonymous = nil
        } else {
            self.anonymous = Access(grant: configuration.anonymous, source: .anonymous)
        }
    }

    /// Changes whenever something that was granted may no longer be.
    package var generation: Int { self.tokens.version }

    /// What `credential` grants, where no signature has to be checked for it.
    ///
    /// - Returns: Nothing when `verify` has to be asked.
    package func known(_ credential: String, now milliseconds: Int64) -> Verdict? {
        guard let secret = TokenSecret(credential) else {
            return .refused(Problem(.invalidToken, "this is no token of this broker"))
        }
        guard let token = self.tokens.token(hash: secret.hash) else {
            return .refused(Problem(.invalidToken, "the token is unknown"))
        }
        if token.revokedMilliseconds != nil {
            return .refused(Problem(.invalidToken, "the token was revoked"))
        }
        let expires = token.expiresMilliseconds ?? .max
        guard milliseconds < expires else {
            return .refused(Problem(.invalidToken, "the token has expired"))
        }
        let access = Access(
            grant: self.isOpen ? .everything : token.grant,
            source: .token(token.id),
            expiresMilliseconds: expires,
            client: "token \(token.id)"
        )
        return .granted(access)
    }

    /// What `credential` grants, its signature checked.
    package func verify(_ credential: String, now milliseconds: Int64) async -> Verdict {
        self.known(credential, now: milliseconds)
            ?? .refused(Problem(.invalidToken, "this is no token of this broker"))
    }

    /// Whether something that was granted is no longer.
    package func end(of access: Access, now milliseconds: Int64) -> AccessEnd? {
        if milliseconds >= access.expiresMilliseconds { return .expired }
        switch access.source {
        case .open, .anonymous, .key: return nil
        case .token(let id):
            let isGood = self.tokens.token(id: id).map { $0.revokedMilliseconds == nil } ?? false
            return isGood ? nil : .revoked
        }
    }
}
