import TickertapeCore

/// What operators do to access tokens, between two transactions of publishers.
extension LogWriter {
    /// For how many new tokens room is made at once: all of them are looked at for it.
    private static let roomMadeAtOnce = 1_000

    func createToken(_ token: NewToken) throws(LogError) -> StoredToken? {
        let now = wallClockMilliseconds()
        guard let forgotten = self.tokensToForget(atMilliseconds: now) else { return nil }
        var made: StoredToken?
        try self.change { writer throws(SQLiteFailure) in
            for id in forgotten { try writer.tokenTable.remove(id) }
            made = try writer.tokenTable.insert(token, atMilliseconds: now)
        }
        guard let made else { preconditionFailure("a token that was inserted is there") }
        self.shared.tokens.change { tokens in
            for id in forgotten { tokens.remove(id: id) }
            tokens.put(made)
        }
        return made
    }

    /// Those that ended first, where there are too many for another one.
    ///
    /// - Returns: Nothing when there is no room for another.
    private func tokensToForget(atMilliseconds now: Int64) -> [Int64]? {
        // Not held until the board changes, which would have to copy it then.
        let tokens = self.shared.tokens.current
        guard tokens.count >= TokenSet.countMax else { return [] }
        let excess = tokens.count - TokenSet.countMax
        let ended = tokens.firstEnded(excess + Self.roomMadeAtOnce, atMilliseconds: now)
        return ended.count > excess ? ended : nil
    }

    func revokeToken(id: Int64) throws(LogError) -> StoredToken? {
        guard var token = self.shared.tokens.token(id: id) else { return nil }
        guard token.revokedMilliseconds == nil else { return token }
        let now = wallClockMilliseconds()
        try self.change { writer throws(SQLiteFailure) in
            try writer.tokenTable.revoke(id, atMilliseconds: now)
        }
        token.revokedMilliseconds = now
        let revoked = token
        self.shared.tokens.change { $0.put(revoked) }
        return revoked
    }
}
