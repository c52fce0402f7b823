/// What was agreed on of permessage-deflate (RFC 7692 §7).
package struct WebSocketCompression: Equatable, Sendable {
    /// Of the window the server deflates with: 9 to 15.
    package let serverWindowBits: Int
    /// The value of `Sec-WebSocket-Extensions` in the answer.
    package let responseField: String
}

/// Chooses among the extensions a client offers (RFC 6455 §9.1).
package enum WebSocketExtensions {
    /// Takes the first offer of permessage-deflate that can be served.
    ///
    /// Offers that are malformed or unknown are passed over, never an error: an extension is
    /// optional (RFC 6455 §9.1, RFC 7692 §5.1).
    ///
    /// - Parameter fields: Every `Sec-WebSocket-Extensions` of the request, in order.
    /// - Returns: What was taken; nothing when compression is not to be used.
    package static func negotiate(_ fields: [String]) -> WebSocketCompression? {
        for field in fields {
            for offer in split(field.utf8[...], at: UInt8(ascii: ",")) {
                let parts = split(offer, at: UInt8(ascii: ";"))
                guard let name = parts.first, token(name) == "permessage-deflate" else { continue }
                if let accepted = self.accept(parts.dropFirst()) { return accepted }
            }
        }
        return nil
    }

    /// RFC 7692 §7.1: a parameter that is unknown, repeated or has a bad value declines the offer.
    private static func accept(_ parts: ArraySlice<Substring.UTF8View>) -> WebSocketCompression? {
        var names: Set<String> = []
        var serverWindowBits: Int?
        for part in parts {
            guard let parameter = Parameter(part), names.insert(parameter.name).inserted else {
                return nil
            }
            switch (parameter.name, parameter.value) {
            case ("server_no_context_takeover", nil), ("client_no_context_takeover", nil): break
            // The inflater has the largest window, so any of the client is served.
            case ("client_max_window_bits", nil): break
            case ("client_max_window_bits", let bits?) where (8...15).contains(windowBits(bits)):
                break
            case ("server_max_window_bits", let bits?)
            where WebSocketDeflater.windowBits.contains(windowBits(bits)):
                serverWindowBits = windowBits(bits)
            default: return nil
            }
        }
        var field = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
        if let serverWindowBits { field += "; server_max_window_bits=\(serverWindowBits)" }
        return WebSocketCompression(
            serverWindowBits: serverWindowBits ?? WebSocketDeflater.windowBits.upperBound,
            responseField: field
        )
    }

    /// A decimal without leading zeros (RFC 7692 §7.1.2.1); 0 when it is none.
    private static func windowBits(_ text: String) -> Int {
        guard let bits = Int(text), String(bits) == text else { return 0 }
        return bits
    }

    private struct Parameter {
        let name: String
        let value: String?

        /// `token [ "=" (token | quoted-string) ]`, and what is quoted is a token again.
        init?(_ part: Substring.UTF8View) {
            let equals = part.firstIndex(of: UInt8(ascii: "="))
            guard let name = token(part[..<(equals ?? part.endIndex)]) else { return nil }
            self.name = name
            guard let equals else {
                self.value = nil
                return
            }
            let text = part[part.index(after: equals)...].trimmingOptionalWhitespace
            guard let value = token(text) ?? unquoted(text) else { return nil }
            self.value = value
        }
    }
}

/// Splits at a separator that does not stand inside quotes.
private func split(_ text: Substring.UTF8View, at separator: UInt8) -> [Substring.UTF8View] {
    var isQuoted = false
    var isEscaped = false
    return text.split(omittingEmptySubsequences: false) { byte in
        defer { isEscaped = isQuoted && !isEscaped && byte == UInt8(ascii: "\\") }
        if byte == UInt8(ascii: "\""), !isEscaped { isQuoted.toggle() }
        return byte == separator && !isQuoted
    }
}

/// The text as a token (RFC 9110 §5.6.2), without the spaces around it.
private func token(_ text: Substring.UTF8View) -> String? {
    let trimmed = text.trimmingOptionalWhitespace
    guard !trimmed.isEmpty, trimmed.allSatisfy(isTokenByte) else { return nil }
    return String(Substring(trimmed))
}

private func isTokenByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"):
        true
    default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
    }
}

/// The token that a quoted string holds (RFC 6455 §9.1).
private func unquoted(_ text: Substring.UTF8View) -> String? {
    let quote = UInt8(ascii: "\"")
    guard text.count > 2, text.first == quote, text.last == quote else { return nil }
    var bytes: [UInt8] = []
    var isEscaped = false
    for byte in text.dropFirst().dropLast() {
        if byte == UInt8(ascii: "\\"), !isEscaped {
            isEscaped = true
            continue
        }
        guard isTokenByte(byte) else { return nil }
        bytes.append(byte)
        isEscaped = false
    }
    return isEscaped ? nil : String(decoding: bytes, as: UTF8.self)
}
