import TickertapeAccess
import TickertapeCore
import TickertapeWire

extension RequestMachine {
    enum Admittance {
        case admitted(Admitted)
        /// Its signature has to be checked first.
        case verify(String)
    }

    /// Where a request came from, as far as the proxies between are believed.
    func origin(of header: RequestHeader) -> (header: RequestHeader, peer: Peer) {
        guard let address = self.peer.address, self.admission.rules.proxies.contains(address) else {
            return (header, self.peer)
        }
        let hops = ForwardedHops(header)
        let client = self.admission.rules.proxies.client(of: address, hops: hops.hops)
        var header = header
        if let host = hops.host { header.host = host }
        let isSecure = hops.proto.map { isSame($0, "https") } ?? self.peer.isSecure
        let share =
            client == address ? self.peer.share : self.admission.shares.share(of: client)
        return (header, Peer(address: client, isSecure: isSecure, share: share))
    }

    /// Who asks, and what they may do.
    mutating func admit(
        _ header: RequestHeader,
        inQuery query: String?,
        takesCookies: Bool,
        at address: ClientShare
    ) throws(Problem) -> Admittance {
        let credential = try self.admission.credential(
            header,
            inQuery: query,
            takesCookies: takesCookies
        )
        guard let credential else {
            if let last = self.admitted, last.credential == nil, last.share === address {
                return .admitted(last)
            }
            return self.admitted(self.admission.authenticator.anonymous, credential, 0, address)
        }
        if let last = self.admitted, let text = last.credential, bytesAreEqual(text, credential),
            self.admission.holds(last)
        {
            return .admitted(last)
        }
        // Before it is asked: what changes meanwhile is asked again.
        var generation = self.admission.authenticator.generation
        let verdict: Verdict?
        if let verified = self.takeVerified(), bytesAreEqual(verified.credential, credential) {
            verdict = verified.verdict
            generation = verified.generation
        } else {
            verdict = self.admission.verdict(on: credential)
        }
        switch verdict {
        case nil: return .verify(credential)
        case .refused(let problem): throw problem
        case .granted(let access):
            // Keys and tokens may have gone while it waited.
            let now = self.admission.nowMilliseconds
            if let end = self.admission.authenticator.end(of: access, now: now) {
                throw Problem(end)
            }
            return self.admitted(access, credential, generation, address)
        }
    }

    private mutating func admitted(
        _ access: Access?,
        _ credential: String?,
        _ generation: Int,
        _ address: ClientShare
    ) -> Admittance {
        let admitted = Admitted(
            access: access,
            credential: credential,
            generation: generation,
            share: self.admission.share(of: access, at: address)
        )
        self.remember(admitted)
        return .admitted(admitted)
    }

    /// Whether who asks may have what is asked for.
    ///
    /// What stands in a body is checked when it has come.
    func authorize(_ route: Route, _ admitted: Admitted) throws(Problem) {
        switch route {
        case .publish(let target):
            try self.admission.checkPublish(admitted.access, to: target.topic)
        case .history(let query):
            try self.admission.checkSubscribe(admitted.access, to: query.filter)
        case .events(let query):
            try self.admission.checkSubscribe(admitted.access, to: query.filter)
        case .message(let topic, _):
            try self.admission.checkSubscribe(admitted.access, to: TopicFilter(topic: topic))
        case .eventsByBody, .webSocket, .health, .demoPage, .demoRedirect, .preflight: break
        }
    }
}

extension Route {
    /// Whether it matters who asks.
    var needsAdmission: Bool {
        switch self {
        case .publish, .history, .message, .events, .eventsByBody, .webSocket: true
        case .health, .demoPage, .demoRedirect, .preflight: false
        }
    }
}
