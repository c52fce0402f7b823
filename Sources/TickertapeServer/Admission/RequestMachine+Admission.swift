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
            return .admitted(self.remember(self.admission.admitAnonymous(at: address)))
        }
        if let last = self.admitted, let text = last.credential, bytesAreEqual(text, credential),
            self.admission.holds(last)
        {
            return .admitted(last)
        }
        let verified = self.takeVerified().flatMap { verified in
            bytesAreEqual(verified.credential, credential) ? verified : nil
        }
        guard let checked = verified ?? self.admission.known(credential) else {
            return .verify(credential)
        }
        return .admitted(self.remember(try self.admission.admit(checked, at: address)))
    }

    /// Whether who asks may have what is asked for.
    ///
    /// What stands in a body is checked when it has come.
    func authorize(_ route: Route, _ admitted: Admitted) throws(Problem) {
        switch route {
        case .publish(let target):
            try self.admission.checkPublish(admitted.access, to: target.topic)
        case .publishStream(let target):
            guard let topic = target.topic else { break }
            try self.admission.checkPublish(admitted.access, to: topic)
        case .stop(let topic):
            try self.admission.checkStop(admitted.access, of: topic)
        case .history(let query):
            try self.admission.checkSubscribe(admitted.access, to: query.filter)
        case .events(let query):
            try self.admission.checkSubscribe(admitted.access, to: query.filter)
        case .message(let topic, _):
            try self.admission.checkSubscribe(admitted.access, to: TopicFilter(topic: topic))
        case .publishBatch, .eventsByBody, .webSocket: break
        case .health, .clientFile, .demoPage, .demoRedirect, .preflight: break
        }
    }
}

extension Route {
    /// Whether it matters who asks.
    var needsAdmission: Bool {
        switch self {
        case .publish, .publishStream, .publishBatch, .stop, .history, .message, .events,
            .eventsByBody, .webSocket:
            true
        case .health, .clientFile, .demoPage, .demoRedirect, .preflight: false
        }
    }
}
