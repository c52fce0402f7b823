/// Whose pages may use the broker from elsewhere: one entry of `--allow-origin`.
package enum AllowedOrigin: Hashable, Sendable {
    /// `*`: every page, without cookies.
    case any
    /// `https://app.example.com`, as browsers write it (RFC 6454 §6.2).
    case exact(String)
    /// `https://*.example.com`: every name below it, at the same scheme and port.
    case below(scheme: String, suffix: String)

    /// - Throws: A sentence that says what is wrong.
    package init(_ text: String) throws(InvalidOrigin) {
        if text == "*" {
            self = .any
            return
        }
        guard let parts = OriginParts(text.lowercased()) else {
            throw InvalidOrigin(
                "an origin is a scheme, a host and perhaps a port, such as "
                    + "https://app.example.com, https://*.example.com or *; not '\(text)'"
            )
        }
        guard parts.host.hasPrefix("*.") else {
            guard !parts.host.contains("*") else {
                throw InvalidOrigin(
                    "a * stands for whole names at the start of a host alone: '\(text)'"
                )
            }
            self = .exact(parts.text)
            return
        }
        let suffix = parts.host.dropFirst()
        guard !suffix.contains("*"), suffix.dropFirst().contains(".") else {
            throw InvalidOrigin("'\(text)' would stand for a whole top-level domain")
        }
        self = .below(scheme: parts.scheme, suffix: String(suffix) + parts.portSuffix)
    }

    /// `origin` as the browser sent it: in lower case, without a default port.
    func matches(_ origin: String) -> Bool {
        switch self {
        case .any: return true
        case .exact(let text): return text == origin
        case .below(let scheme, let suffix):
            let start = scheme + "://"
            guard origin.hasPrefix(start), origin.hasSuffix(suffix) else { return false }
            let name = origin.dropFirst(start.count).dropLast(suffix.count)
            return !name.isEmpty && OriginParts(origin) != nil
        }
    }
}

/// Why a text is no entry of `--allow-origin`.
package struct InvalidOrigin: Error {
    package let sentence: String

    init(_ sentence: String) {
        self.sentence = sentence
    }
}

/// Scheme, host and port of a serialized origin.
struct OriginParts: Equatable {
    let scheme: String
    let host: String
    /// `:8080`, or empty.
    let portSuffix: String

    /// Nothing for `null`, and for what no browser sends.
    init?(_ text: String) {
        guard let colon = text.firstIndex(of: ":") else { return nil }
        let scheme = text[..<colon]
        let rest = text[colon...]
        guard rest.hasPrefix("://") else { return nil }
        guard scheme == "http" || scheme == "https" else { return nil }
        guard let authority = Authority(rest.dropFirst(3)) else { return nil }
        self.scheme = String(scheme)
        self.host = authority.host
        let isDefault = authority.port == (scheme == "https" ? 443 : 80)
        self.portSuffix = authority.port.flatMap { isDefault ? nil : ":\($0)" } ?? ""
    }

    var text: String { "\(self.scheme)://\(self.host)\(self.portSuffix)" }
}

/// A host with perhaps a port, as in `Host` and in an origin.
struct Authority: Equatable {
    /// In lower case; an IPv6 address in its brackets.
    let host: String
    let port: Int?

    init?(_ text: some StringProtocol) {
        var host = Substring(text)
        var port: Int?
        let hostEnd = host.hasPrefix("[") ? host.firstIndex(of: "]") : host.startIndex
        guard let hostEnd else { return nil }
        if let colon = host[hostEnd...].lastIndex(of: ":") {
            let digits = host[host.index(after: colon)...]
            guard !digits.isEmpty, digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
                let number = Int(digits), number <= 65_535
            else { return nil }
            port = number
            host = host[..<colon]
        }
        let name = host.hasPrefix("[") ? host.dropFirst().dropLast() : host
        let isBracketed = host.hasPrefix("[")
        guard !name.isEmpty, !isBracketed || host.hasSuffix("]") else { return nil }
        let isHost = name.utf8.allSatisfy { byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
            case UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "*"): true
            case UInt8(ascii: ":"), UInt8(ascii: "%"): isBracketed
            default: false
            }
        }
        guard isHost else { return nil }
        self.host = host.lowercased()
        self.port = port
    }
}
