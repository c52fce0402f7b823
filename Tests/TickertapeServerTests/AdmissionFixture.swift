import Logging
import NIOCore
import TickertapeAccess
import TickertapeCore
import TickertapeLog

@testable import TickertapeServer

/// Who is served, for tests: everyone, unless told otherwise.
struct AdmissionFixture {
    var rules = AdmissionRules()
    var configuration = Authenticator.Configuration()
    var policies = PolicySet()
    let tokens = TokenBoard()

    init() {}

    /// Nothing is granted without a token.
    static var authorized: AdmissionFixture {
        var admission = AdmissionFixture()
        admission.configuration.isOpen = false
        return admission
    }

    func admission(_ limits: Limits = Limits()) throws -> Admission {
        Admission(
            self.rules,
            authenticator: try Authenticator(
                self.configuration,
                tokens: self.tokens,
                limits: limits,
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
            ),
            shares: FairShares(limits: limits),
            limits: limits,
            policies: { [policies] in policies }
        )
    }

    /// Makes a token that is good from now on.
    func makeToken(
        publish: [String] = [],
        subscribe: [String] = [],
        stop: [String] = [],
        expiresMilliseconds: Int64? = nil
    ) throws -> String {
        let secret = TokenSecret()
        let token = StoredToken(
            id: Int64(self.tokens.current.count + 1),
            hash: secret.hash,
            hint: secret.hint,
            grant: Grant(
                publish: try publish.map { try TopicPattern($0) },
                subscribe: try subscribe.map { try TopicPattern($0) },
                stop: try stop.map { try TopicPattern($0) }
            ),
            createdMilliseconds: 0,
            expiresMilliseconds: expiresMilliseconds,
            note: ""
        )
        self.tokens.change { $0.put(token) }
        return secret.text
    }

    func revoke(_ id: Int64) {
        self.tokens.change { tokens in
            guard var token = tokens.token(id: id) else { return }
            token.revokedMilliseconds = 1
            tokens.put(token)
        }
    }
}

extension Admission {
    func peer(_ address: String = "127.0.0.1", isSecure: Bool = false) -> Peer {
        let address = IPAddress(address)
        return Peer(address: address, isSecure: isSecure, share: self.shares.share(of: address))
    }
}

/// A machine for one connection of an open broker.
func openMachine(_ limits: Limits = Limits()) throws -> RequestMachine {
    let admission = try AdmissionFixture().admission(limits)
    return RequestMachine(
        router: Router(limits: limits, features: .demo(false)),
        admission: admission,
        peer: admission.peer()
    )
}
