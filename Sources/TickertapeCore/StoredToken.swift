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
    /// Ten years with their leap days; what ends by itself ends no later than that after it was
    /// made.
    package static let lifetimeDaysMax: Int64 = 3_660

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

    package enum State: String, CaseIterable, Sendable {
        case active
        case expired
        case revoked
    }

    package func state(atMilliseconds now: Int64) -> State {
        if self.revokedMilliseconds != nil { return .revoked }
        guard let expires = self.expiresMilliseconds else { return .active }
        return expires <= now ? .expired : .active
    }

    /// When it was no longer good, or will be: the earlier of the two; nothing when it stays good.
    package var endMilliseconds: Int64? {
        guard let expires = self.expiresMilliseconds else { return self.revokedMilliseconds }
        return min(expires, self.revokedMilliseconds ?? .max)
    }
}

/// The tokens of a broker, those that are no longer good included.
package struct TokenSet: Sendable {
    private var byHash: [[UInt8]: Int64] = [:]
    private var byID: [Int64: StoredToken] = [:]

    /// More that are good at a time are refused.
    ///
    /// So many are kept in all: for a new one, those that ended first are forgotten.
    package static let countMax = 100_000
    /// How long one that has ended is kept, to be looked up; removed when the log is next opened.
    package static let endedDaysKept: Int64 = 30

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

    /// Those that are good.
    package func activeCount(atMilliseconds now: Int64) -> Int {
        self.byID.values.count { $0.state(atMilliseconds: now) == .active }
    }

    /// The numbers of those that have ended, the earliest first, so many at most.
    package func firstEnded(_ count: Int, atMilliseconds now: Int64) -> [Int64] {
        let ended = self.byID.values.filter { $0.state(atMilliseconds: now) != .active }
        let earliest = ended.sorted {
            ($0.endMilliseconds ?? .max, $0.id) < ($1.endMilliseconds ?? .max, $1.id)
        }
        return earliest.prefix(count).map(\.id)
    }

    /// In no order.
    package var unsorted: some Collection<StoredToken> { self.byID.values }

    /// In the order they were made.
    package var tokens: [StoredToken] { self.byID.values.sorted { $0.id < $1.id } }
}
