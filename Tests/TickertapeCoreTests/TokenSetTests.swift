import Testing
import TickertapeCore

struct TokenSetTests {
    private func token(
        _ id: Int64,
        expires: Int64? = nil,
        revoked: Int64? = nil
    ) -> StoredToken {
        StoredToken(
            id: id,
            hash: [UInt8(id)],
            hint: "ttk_",
            grant: .none,
            createdMilliseconds: 0,
            expiresMilliseconds: expires,
            revokedMilliseconds: revoked,
            note: ""
        )
    }

    @Test("A token ends when it expires or is revoked, whichever comes first")
    func ends() {
        typealias Row = (
            expires: Int64?, revoked: Int64?, now: Int64, state: StoredToken.State, end: Int64?
        )
        let table: [Row] = [
            (nil, nil, .max, .active, nil), (10, nil, 9, .active, 10), (10, nil, 10, .expired, 10),
            (10, nil, 11, .expired, 10), (nil, 5, 9, .revoked, 5), (10, 5, 9, .revoked, 5),
            (10, 5, 11, .revoked, 5), (10, 12, 13, .revoked, 10),
        ]
        for row in table {
            let token = self.token(1, expires: row.expires, revoked: row.revoked)
            #expect(token.state(atMilliseconds: row.now) == row.state, "\(row)")
            #expect(token.endMilliseconds == row.end, "\(row)")
        }
    }

    @Test("Good ones are counted, and those that ended first are found")
    func counting() {
        var tokens = TokenSet([
            self.token(1), self.token(2, expires: 30), self.token(3, expires: 20),
            self.token(4, expires: 90, revoked: 25), self.token(5, expires: 90),
        ])
        #expect(tokens.activeCount(atMilliseconds: 50) == 2)
        #expect(tokens.firstEnded(9, atMilliseconds: 50) == [3, 4, 2])
        #expect(tokens.firstEnded(1, atMilliseconds: 50) == [3])
        #expect(tokens.activeCount(atMilliseconds: 22) == 3, "what was revoked stays so")
        tokens.remove(id: 1)
        tokens.put(self.token(5, revoked: 1))
        #expect(tokens.activeCount(atMilliseconds: 50) == 0)
        #expect(tokens.count == 4)
        #expect(tokens.tokens.map(\.id) == [2, 3, 4, 5])
        #expect(tokens.token(hash: [1]) == nil)
    }
}
