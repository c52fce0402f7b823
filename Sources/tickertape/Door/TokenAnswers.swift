/// An access token as the door has it: everything but the token itself.
struct TokenRow: Decodable, Sendable {
    let id: Int64
    let hint: String
    let publish: [String]
    let subscribe: [String]
    let stop: [String]
    let createdAt: String
    let expiresAt: String?
    let revokedAt: String?
    let state: String
    let note: String
}

struct TokenPage: Decodable, Sendable {
    let tokens: [TokenRow]
    let next: String?
    let total: Int64
}

/// What a new token shall grant.
struct TokenRequest: Encodable {
    let publish: [String]
    let subscribe: [String]
    let stop: [String]
    let expiresInSeconds: Int64?
    let note: String
}

/// The one answer that holds a token.
struct NewTokenAnswer: Decodable, Sendable {
    let token: String
}

extension TokenRow {
    /// Names and values for people.
    func facts(title: String) -> Facts {
        var facts = Facts(title: title)
        facts.add("begins with", printable(self.hint))
        facts.add("publishes to", Self.list(self.publish))
        facts.add("subscribes to", Self.list(self.subscribe))
        facts.add("may stop", Self.list(self.stop))
        facts.add("created", printable(self.createdAt))
        facts.add("expires", self.expiresAt.map(printable) ?? "never")
        if let revokedAt = self.revokedAt { facts.add("revoked", printable(revokedAt)) }
        facts.add("state", printable(self.state))
        if !self.note.isEmpty { facts.add("note", printable(self.note)) }
        return facts
    }

    static func list(_ patterns: [String]) -> String {
        patterns.isEmpty ? "nothing" : printable(patterns.joined(separator: " "))
    }
}
