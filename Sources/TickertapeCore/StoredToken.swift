/// An access token as the log keeps it: everything but the secret itself.
package struct StoredToken: Hashable, Sendable {
    /// Given by the log, never reused.
    package let id: Int64
    /// SHA-256 of the whole token.
    package let hash: [UInt8]
    /// How the token begins, to recognize it by.
    package let hint: String
    package let grant: Grant
    package let createdMilliseconds: Int64
    /// Nothing when it never ends by itself.
    package let expiresMilliseconds: Int64?
    package var revokedMilliseconds: Int64?
    /// For people; at most `noteBytesMax`.
    package let note: String

    package static let noteBytesMax = 256

    package init(
        id: Int64,
        hash: [UInt8],
        hint: String,
        grant: Grant,
        createdMilliseconds: Int64,
        expiresMilliseconds: Int64?,
        revokedMilliseconds: Int64? = nil,
        note: String
    ) {
        self.id = id
        self.hash = hash
        self.hint = hint
        self.grant = grant
        self.createdMilliseconds = createdMilliseconds
        self.expiresMilliseconds = expiresMilliseconds
        self.revokedMilliseconds = revokedMilliseconds
        self.note = note
    }
}

/// The tokens of a broker, those that are no longer good included.
package struct TokenSet: Sendable {
    private var byHash: [[UInt8]: Int64] = [:]
    private var byID: [Int64: StoredToken] = [:]

    /// More that are good at a time are refused.
    package static let countMax = 100_000

    package init(_ tokens: [StoredToken] = []) {
        for token in tokens { self.put(token) }
    }

    package mutating func put(_ token: StoredToken) {
        self.byHash[token.hash] = token.id
        self.byID[token.id] = token
    }

    package mutating func remove(id: Int64) {
        guard let token = self.byID.removeValue(forKey: id) else { return }
        self.byHash[token.hash] = nil
    }

    package func token(hash: [UInt8]) -> StoredToken? {
        self.byHash[hash].flatMap { self.byID[$0] }
    }

    package func token(id: Int64) -> StoredToken? { self.byID[id] }

    package var count: Int { self.byID.count }

    /// In the order they were made.
    package var tokens: [StoredToken] { self.byID.values.sorted { $0.id < $1.id } }
}
