import HTTPTypes
import Hummingbird
import TickertapeWire

/// Who may come in at all, before anything of a request is looked at.
struct RequestGuard: Sendable {
    enum Door: Sendable {
        /// The Unix socket: whoever can open it is the owner of the data directory.
        case socket
        case network(AdminToken)
    }

    let door: Door

    /// Whether connections need not prove themselves.
    var knowsEverybody: Bool {
        switch self.door {
        case .socket: true
        case .network: false
        }
    }

    /// Whether a request shows what this door asks for; who it comes from, not what it may do.
    func isProved(by head: HTTPRequest) -> Bool {
        switch self.door {
        case .socket: true
        case .network(let token):
            head.headerFields[.authorization].map { token.isProved(by: $0) } ?? false
        }
    }

    /// - Throws: `unauthorized`, `forbidden_host` or `forbidden_origin`.
    func check(_ head: HTTPRequest) throws(AdminProblem) {
        switch self.door {
        case .socket:
            // A page that found a way to the socket (by a proxy on localhost) still gives its own
            // name: DNS rebinding.
            guard let host = head.authority, Self.isLocal(host) else {
                throw AdminProblem(
                    .forbiddenHost,
                    "over the Unix socket, Host is localhost, 127.0.0.1 or [::1]"
                )
            }
        case .network:
            guard self.isProved(by: head) else {
                throw AdminProblem(
                    .unauthorized,
                    head.headerFields[.authorization] == nil
                        ? "send 'Authorization: Bearer' with the admin token"
                        : "this is not the admin token of this broker"
                )
            }
        }
        if let origin = head.headerFields[.origin],
            !Self.isSame(origin: origin, as: head.authority ?? "")
        {
            throw AdminProblem(
                .forbiddenOrigin,
                "the admin door serves its own pages only; Origin and Host differ"
            )
        }
    }

    static func isLocal(_ host: String) -> Bool {
        let (name, port) = Self.split(host)
        guard port.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return false }
        return ["localhost", "127.0.0.1", "[::1]"].contains(name)
    }

    /// Whether an origin (RFC 6454 §7: scheme, host, and port unless it is the scheme's own) is
    /// that of the host a request was sent to.
    static func isSame(origin: String, as host: String) -> Bool {
        let defaults = ["http://": "80", "https://": "443"]
        guard let scheme = defaults.first(where: { origin.lowercased().hasPrefix($0.key) }) else {
            return false
        }
        var (left, right) = (
            Self.split(String(origin.dropFirst(scheme.key.count))), Self.split(host)
        )
        if left.port.isEmpty { left.port = scheme.value }
        if right.port.isEmpty { right.port = scheme.value }
        return left == right
    }

    /// The name in lower case and the port, which may be empty; an IPv6 address keeps its brackets.
    private static func split(_ host: String) -> (name: String, port: String) {
        let host = host.lowercased()
        guard let colon = host.lastIndex(of: ":"), !host.hasSuffix("]") else { return (host, "") }
        return (String(host[..<colon]), String(host[host.index(after: colon)...]))
    }
}
