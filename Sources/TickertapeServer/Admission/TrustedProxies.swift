import TickertapeWire

/// From whom it is believed where a request came from: `--trusted-proxy`.
package struct TrustedProxies: Sendable {
    private let blocks: [AddressBlock]

    package init(_ blocks: [AddressBlock] = []) {
        self.blocks = blocks
    }

    func contains(_ address: IPAddress) -> Bool {
        self.blocks.contains { $0.contains(address) }
    }

    /// The client of a request that came from `peer`: the last one in the list of hops who is no
    /// proxy of ours; what stands before it anyone may have written.
    ///
    /// `hops` is in the order of the fields, the nearest last. A hop that is no address ends it:
    /// the one behind it is as far as can be told.
    func client(of peer: IPAddress, hops: [String]) -> IPAddress {
        var client = peer
        for hop in hops.reversed() {
            guard self.contains(client) else { return client }
            guard let address = Self.address(hop) else { return client }
            client = address
        }
        return client
    }

    /// `192.0.2.1`, `192.0.2.1:4711`, `[2001:db8::1]`, `[2001:db8::1]:4711`, or `2001:db8::1`.
    private static func address(_ hop: String) -> IPAddress? {
        if let address = IPAddress(hop) { return address }
        guard let authority = Authority(hop) else { return nil }
        let isBracketed = authority.host.hasPrefix("[")
        return IPAddress(isBracketed ? authority.host.dropFirst().dropLast() : authority.host[...])
    }
}

/// What the proxies between say of a request: `Forwarded` (RFC 7239), or `X-Forwarded-…`.
///
/// Nothing where both came: nobody can tell which of them a proxy wrote.
struct ForwardedHops {
    private(set) var hops: [String] = []
    /// Of the last hop.
    private(set) var proto: String?
    private(set) var host: String?

    /// More are no longer looked at.
    private static let hopsMax = 32

    init(_ header: RequestHeader) {
        // A proxy writes one of the two and passes on what a client wrote into the other.
        guard header.forwarded.isEmpty || header.forwardedFor.isEmpty else { return }
        guard header.forwarded.isEmpty else {
            self.take(header.forwarded.joined(separator: ","))
            return
        }
        self.hops = header.forwardedFor.joined(separator: ",").split(separator: ",")
            .suffix(Self.hopsMax).map { String(trimmed($0)) }
        self.proto = header.forwardedProto.map { Self.last($0) }
        self.host = header.forwardedHost.map { Self.last($0) }
    }

    private static func last(_ list: String) -> String {
        list.split(separator: ",").last.map { String(trimmed($0)) } ?? ""
    }

    /// Takes `for=192.0.2.60;proto=http;host=example.com, for="[2001:db8::1]:4711"`.
    private mutating func take(_ text: String) {
        let elements = Self.split(text, at: ",").suffix(Self.hopsMax)
        for (index, element) in elements.enumerated() {
            var hop = "unknown"
            for pair in Self.split(element, at: ";") {
                guard let mark = pair.firstIndex(of: "=") else { continue }
                let name = trimmed(pair[..<mark])
                let value = Self.unquoted(trimmed(pair[pair.index(after: mark)...]))
                if isSame(name, "for") { hop = value }
                guard index == elements.count - 1 else { continue }
                if isSame(name, "proto") { self.proto = value }
                if isSame(name, "host") { self.host = value }
            }
            self.hops.append(hop)
        }
    }

    /// Parts between separators that stand in no quoted string.
    private static func split(_ text: some StringProtocol, at separator: Character) -> [Substring] {
        var parts: [Substring] = []
        var rest = Substring(text)
        var isQuoted = false
        var isEscaped = false
        var start = rest.startIndex
        for index in rest.indices {
            let character = rest[index]
            if isEscaped {
                isEscaped = false
            } else if character == "\\" && isQuoted {
                isEscaped = true
            } else if character == "\"" {
                isQuoted.toggle()
            } else if character == separator && !isQuoted {
                parts.append(rest[start..<index])
                start = rest.index(after: index)
            }
        }
        rest = rest[start...]
        parts.append(rest)
        return parts
    }

    private static func unquoted(_ text: Substring) -> String {
        guard text.count >= 2, text.first == "\"", text.last == "\"" else { return String(text) }
        var value = ""
        var isEscaped = false
        for character in text.dropFirst().dropLast() {
            if !isEscaped && character == "\\" {
                isEscaped = true
            } else {
                isEscaped = false
                value.append(character)
            }
        }
        return value
    }
}
