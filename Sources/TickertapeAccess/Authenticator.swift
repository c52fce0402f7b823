import Crypto
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
        /// Files whose bytes are HS256 secrets.
        package var jwtSecretFiles: [String] = []
        /// Files of public keys: PEM, certificates, JWKS.
        package var jwtKeyFiles: [String] = []
        /// Who issues JWTs; nothing for anyone who has a key.
        package var issuer: String?
        /// Whom JWTs are for, one of these; empty for anyone.
        package var audiences: [String] = []

        package init() {}
    }

    /// For those who present no credential; nothing when they may do nothing.
    package let anonymous: Access?
    /// Everyone may do everything.
    package let isOpen: Bool
    private let rules: Claims.Rules
    private let tokens: TokenBoard
    private let keys: KeyFiles
    /// JWTs, by the version of the keys.
    private let verified: Mutex<VerifiedCredentials>
    /// Access tokens, by the version of the board.
    private let shown: Mutex<VerifiedCredentials>
    private let desk = SignatureDesk()
    private let line: WaitingLine
    private let limits: Limits

    /// - Throws: A `KeyFileError`, a sentence, when a key file cannot be used.
    package init(
        _ configuration: Configuration,
        tokens: TokenBoard,
        limits: Limits,
        logger: Logger
    ) throws {
        self.isOpen = configuration.isOpen
        self.tokens = tokens
        self.limits = limits
        if configuration.isOpen {
            self.anonymous = Access(grant: .everything, source: .open)
        } else if configuration.anonymous.isEmpty {
            self.anonymous = nil
        } else {
            self.anonymous = Access(grant: configuration.anonymous, source: .anonymous)
        }
        self.rules = Claims.Rules(
            issuer: configuration.issuer,
            audiences: configuration.audiences
        )
        self.keys = try KeyFiles(
            secretFiles: configuration.jwtSecretFiles,
            keyFiles: configuration.jwtKeyFiles,
            limits: limits,
            logger: logger
        )
        self.verified = Mutex(
            VerifiedCredentials(countMax: limits.verifiedCredentialsMax, version: self.keys.version)
        )
        self.shown = Mutex(
            VerifiedCredentials(countMax: limits.verifiedCredentialsMax, version: tokens.version)
        )
        self.line = WaitingLine(countMax: limits.waitingCredentialsMax)
    }

    /// Changes whenever something that was granted may no longer be.
    package var generation: Int { self.tokens.version &+ self.keys.version }

    /// What `credential` grants, where no signature has to be checked for it.
    ///
    /// - Returns: Nothing when `verify` has to be asked.
    package func known(_ credential: String, now milliseconds: Int64) -> Verdict? {
        guard credential.utf8.count <= self.limits.credentialBytesMax else {
            return .refused("the token is longer than \(self.limits.credentialBytesMax) bytes")
        }
        let hash = CredentialHash(credential)
        if credential.utf8.starts(with: TokenSecret.prefix.utf8) {
            return Self.verdict(on: self.finding(onToken: credential, hash), now: milliseconds)
        }
        let version = self.keys.version
        if let finding = self.verified.withLock({ $0.finding(hash, version: version) }) {
            return Self.verdict(on: finding, now: milliseconds)
        }
        guard SignedToken.isShaped(credential) else {
            return .refused("this is no token of this broker")
        }
        return self.keys.current.isEmpty ? .refused("this broker takes no JWT") : nil
    }

    /// What `credential` grants, its signature checked.
    ///
    /// Between the look at the keys and the answer they may change: whoever opens a stream with
    /// what is granted asks for `generation` beforehand, or for `end` afterwards.
    package func verify(_ credential: String, now milliseconds: Int64) async -> Verdict {
        if let verdict = self.known(credential, now: milliseconds) { return verdict }
        guard self.line.enter() else {
            return .refused(
                Problem(
                    .tooManyCredentials,
                    "\(self.limits.waitingCredentialsMax) tokens wait to be checked; try again",
                    retryAfterSeconds: 1
                )
            )
        }
        defer { self.line.leave() }
        return Self.verdict(on: await self.finding(on: credential), now: milliseconds)
    }

    /// Whether something that was granted is no longer.
    package func end(of access: Access, now milliseconds: Int64) -> AccessEnd? {
        if milliseconds >= access.expiresMilliseconds { return .expired }
        switch access.source {
        case .open, .anonymous: return nil
        case .token(let id):
            let isGood = self.tokens.token(id: id).map { $0.revokedMilliseconds == nil } ?? false
            return isGood ? nil : .revoked
        case .key(let thumbprint): return self.keys.holds(thumbprint: thumbprint) ? nil : .revoked
        }
    }

    /// Reads the key files again, all of them: for SIGHUP.
    ///
    /// A file that cannot be used any more keeps the keys it had, and an error is logged.
    ///
    /// - Returns: Whether there are any.
    @discardableResult
    package func reload() -> Bool {
        self.keys.reload(all: true)
        return self.keys.hasFiles
    }

    /// Reads key files that have changed, once a second, until the task is cancelled.
    package func watchKeyFiles() async {
        while !Task.isCancelled {
            // There is nothing to wait for: file systems across a network tell of no changes.
            try? await Task.sleep(for: .seconds(self.limits.keyFileSeconds))
            if !Task.isCancelled { self.lookAtKeyFiles() }
        }
    }

    /// Reads the key files that look as if they had changed.
    func lookAtKeyFiles() { self.keys.reload() }

    private func finding(
        onToken credential: String,
        _ hash: CredentialHash
    ) -> VerifiedCredentials.Finding {
        // Asked for first: what is found is never older than it is kept as.
        let version = self.tokens.version
        if let finding = self.shown.withLock({ $0.finding(hash, version: version) }) {
            return finding
        }
        let finding = self.judged(credential, self.tokens.token(hash: hash.bytes))
        self.shown.withLock { $0.keep(finding, for: hash, version: version) }
        return finding
    }

    private func judged(
        _ credential: String,
        _ token: StoredToken?
    ) -> VerifiedCredentials.Finding {
        guard let token else {
            let isMade = TokenSecret(credential) != nil
            return .bad(.init(isMade ? "the token is unknown" : "the token is mistyped"))
        }
        if token.revokedMilliseconds != nil { return .bad(.init("the token was revoked")) }
        let access = Access(
            grant: self.isOpen ? .everything : token.grant,
            source: .token(token.id),
            expiresMilliseconds: token.expiresMilliseconds ?? .max,
            client: "token \(token.id)"
        )
        return .good(access, notBeforeMilliseconds: .min)
    }

    private static func verdict(
        on finding: VerifiedCredentials.Finding,
        now milliseconds: Int64
    ) -> Verdict {
        switch finding {
        case .bad(let refusal): return .refused(refusal.detail)
        case .good(let access, let notBefore):
            guard milliseconds < access.expiresMilliseconds else {
                return .refused("the token has expired")
            }
            guard milliseconds >= notBefore else { return .refused("the token is not yet valid") }
            return .granted(access)
        }
    }

    private func finding(on credential: String) async -> VerifiedCredentials.Finding {
        let hash = CredentialHash(credential)
        let version = self.keys.version
        let token: SignedToken
        let candidates: [VerificationKey]
        do throws(SignedToken.Refusal) {
            token = try SignedToken(credential)
            candidates = try self.keys.current.candidates(
                for: token,
                countMax: self.limits.triedKeysMax
            )
        } catch {
            return self.keep(.bad(error), for: hash, version: version)
        }
        return await self.desk.finding(
            of: token,
            among: candidates,
            known: { self.verified.withLock { $0.finding(hash, version: version) } },
            judge: { key in
                self.keep(self.judged(token, signedBy: key, hash), for: hash, version: version)
            }
        )
    }

    private func keep(
        _ finding: VerifiedCredentials.Finding,
        for hash: CredentialHash,
        version: Int
    ) -> VerifiedCredentials.Finding {
        self.verified.withLock { $0.keep(finding, for: hash, version: version) }
        return finding
    }

    private func judged(
        _ token: SignedToken,
        signedBy key: VerificationKey?,
        _ hash: CredentialHash
    ) -> VerifiedCredentials.Finding {
        guard let key else {
            return .bad(SignedToken.Refusal("the signature of the token is not good"))
        }
        do throws(SignedToken.Refusal) {
            let claims = try Claims(token.payload, self.rules)
            let access = Access(
                grant: self.isOpen ? .everything : claims.grant,
                source: .key(key.thumbprint),
                expiresMilliseconds: claims.expiresMilliseconds,
                client: Self.client(claims.subject, of: key, hash)
            )
            return .good(access, notBeforeMilliseconds: claims.notBeforeMilliseconds)
        } catch {
            return .bad(error)
        }
    }

    /// All tokens that one key makes for one subject are one client; else each is one.
    ///
    /// Hashed, since subjects have names and mail addresses in them.
    private static func client(
        _ subject: String?,
        of key: VerificationKey,
        _ hash: CredentialHash
    ) -> String {
        guard let subject else { return "jwt \(Base64URL.encode(hash.bytes))" }
        let name = SHA256.hash(data: Array("\(key.thumbprint) \(subject)".utf8))
        return "subject \(Base64URL.encode(Array(name)))"
    }
}

extension Verdict {
    fileprivate static func refused(_ detail: String) -> Verdict {
        .refused(Problem(.invalidToken, detail))
    }
}
