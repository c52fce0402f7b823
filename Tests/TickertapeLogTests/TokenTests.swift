import Foundation
import Testing
import TickertapeCore
import TickertapeLog
import TickertapeTestSupport

/// Access tokens: what of them is kept, and how long.
@Suite(.serialized)
struct TokenTests {
    private func token(_ number: Int, expires: Int64? = nil) throws -> NewToken {
        NewToken(
            hash: withUnsafeBytes(of: number) { Array($0) } + Array(repeating: 7, count: 24),
            hint: "ttk_\(number)",
            grant: Grant(
                publish: try ["a/**", "é/\"\\/b"].map { try TopicPattern($0) },
                subscribe: number % 2 == 0 ? [] : [try TopicPattern("**")],
                stop: number % 2 == 0 ? [try TopicPattern("a/*"), try TopicPattern("é")] : []
            ),
            expiresMilliseconds: expires,
            note: "for \(number) 'é'"
        )
    }

    @Test("A token is on the board when it was made, and after a restart")
    func creation() async throws {
        let folder = try LogFolder()
        let new = try self.token(1, expires: wallClockMilliseconds() + 86_400_000)
        let forever = try self.token(2)
        var made: [StoredToken] = []
        try await folder.withLog { log async throws in
            let before = wallClockMilliseconds()
            let version = log.tokens.version
            let token = try #require(try await log.create(new))
            #expect(log.tokens.version > version)
            #expect(token.id == 1)
            #expect(token.hash == new.hash)
            #expect(token.hint == new.hint)
            #expect(token.grant == new.grant)
            #expect(token.expiresMilliseconds == new.expiresMilliseconds)
            #expect(token.revokedMilliseconds == nil)
            #expect(token.note == new.note)
            #expect((before...wallClockMilliseconds()).contains(token.createdMilliseconds))
            made = [token, try #require(try await log.create(forever))]
            #expect(made[1].id == 2)
            #expect(log.tokens.current.tokens == made)
            #expect(log.statistics().activeTokens == 2)
        }
        try await folder.withLog { log async throws in
            #expect(log.tokens.current.tokens == made)
            #expect(log.tokens.token(hash: new.hash) == made[0])
            #expect(log.tokens.token(hash: forever.hash) == made[1])
        }
    }

    @Test("A token is revoked once, for good, also after a restart")
    func revocation() async throws {
        let folder = try LogFolder()
        let new = try self.token(1)
        var revoked: StoredToken?
        try await folder.withLog { log async throws in
            let made = try #require(try await log.create(new))
            #expect(try await log.revoke(2) == nil)
            let version = log.tokens.version
            let now = try #require(try await log.revoke(1))
            #expect(log.tokens.version > version)
            #expect(now.state(atMilliseconds: wallClockMilliseconds()) == .revoked)
            #expect(try #require(now.revokedMilliseconds) >= made.createdMilliseconds)
            #expect(log.tokens.token(hash: new.hash) == now)
            #expect(try await log.revoke(1) == now, "a second time changes nothing")
            #expect(log.statistics().activeTokens == 0)
            revoked = now
        }
        try await folder.withLog { log async throws in
            #expect(log.tokens.token(id: 1) == revoked)
            #expect(try await log.revoke(1) == revoked)
        }
    }

    @Test("The number of a token that is gone is not given again")
    func noReuse() async throws {
        let folder = try LogFolder()
        let (first, second) = (try self.token(1), try self.token(2))
        try await folder.withLog { log async throws in #expect(try await log.create(first) != nil) }
        try folder.change("DELETE FROM tokens")
        try await folder.withLog { log async throws in
            #expect(log.tokens.current.count == 0)
            #expect(try await log.create(second)?.id == 2)
        }
    }

    @Test("What ended more than thirty days ago is removed at the next start, and nothing else")
    func forgetting() async throws {
        let folder = try LogFolder()
        let tokens = try (1...6).map { try self.token($0) }
        try await folder.withLog { log async throws in
            for token in tokens { #expect(try await log.create(token) != nil) }
        }
        let day: Int64 = 86_400_000
        let now = wallClockMilliseconds()
        let kept = TokenSet.endedDaysKept * day
        try folder.change("UPDATE tokens SET expires = \(now - kept - 60_000) WHERE id = 1")
        try folder.change("UPDATE tokens SET expires = \(now - kept + 3_600_000) WHERE id = 2")
        try folder.change("UPDATE tokens SET revoked = \(now - kept - 60_000) WHERE id = 3")
        try folder.change("UPDATE tokens SET revoked = \(now - kept + 3_600_000) WHERE id = 4")
        try folder.change("UPDATE tokens SET created = \(now - 1_000 * day)")
        try await folder.withLog { log async throws in
            #expect(log.tokens.current.tokens.map(\.id) == [2, 4, 5, 6])
            #expect(log.statistics().activeTokens == 2)
        }
        #expect(try folder.number("SELECT count(*) FROM tokens") == 4)
    }

    @Test("What cannot be written is not on the board", .timeLimit(.minutes(1)))
    func failure() async throws {
        let folder = try LogFolder()
        let (first, second, third) = (try self.token(1), try self.token(2), try self.token(3))
        try await folder.withLog { log async throws in #expect(try await log.create(first) != nil) }
        try folder.change(
            """
            CREATE TRIGGER full BEFORE INSERT ON tokens WHEN NEW.hint = 'ttk_2'
            BEGIN SELECT RAISE(ABORT, 'simulated'); END;
            CREATE TRIGGER stuck BEFORE UPDATE ON tokens
            BEGIN SELECT RAISE(ABORT, 'simulated'); END;
            """
        )
        try await folder.withLog { log async throws in
            let before = log.tokens.current.tokens
            let failed = LogError.unavailable("simulated")
            await #expect(throws: failed) { try await log.create(second) }
            await #expect(throws: failed) { try await log.revoke(1) }
            await #expect(throws: LogError.self) { try await log.create(first) }
            #expect(log.tokens.current.tokens == before)
            #expect(log.isWritable, "publishers have not met it")
            #expect(try await log.create(third) != nil)
        }
    }

    @Test("There are so many good tokens at most, and ended ones make room for new ones")
    func counts() async throws {
        let folder = try LogFolder()
        let (first, second, third) = (try self.token(-1), try self.token(-2), try self.token(-3))
        try await folder.withLog { log async throws in #expect(try await log.create(first) != nil) }
        try folder.change(
            """
            WITH RECURSIVE numbers (n) AS
            (SELECT 2 UNION ALL SELECT n + 1 FROM numbers WHERE n < \(TokenSet.countMax))
            INSERT INTO tokens (id, hash, hint, publish, subscribe, created)
            SELECT n, CAST(n AS BLOB), 'ttk_', '[]', '["**"]', 0 FROM numbers
            """
        )
        try await folder.withLog { log async throws in
            #expect(log.tokens.current.count == TokenSet.countMax)
            #expect(try await log.create(second) == nil)
            #expect(try await log.revoke(5) != nil)
            #expect(try await log.create(second)?.id == Int64(TokenSet.countMax) + 1)
            #expect(log.tokens.token(id: 5) == nil, "it made room")
            #expect(try await log.create(third) == nil)
            #expect(log.statistics().activeTokens == TokenSet.countMax)
        }
        #expect(try folder.number("SELECT count(*) FROM tokens WHERE id = 5") == 0)
    }

    @Test("A log of the second schema is taken over whole")
    func migration() async throws {
        let folder = try LogFolder()
        let policy = Policy(pattern: try TopicPattern("a"), maxMessages: 5, description: "d")
        let new = try self.token(1)
        try await folder.withLog { log async throws in
            #expect(try await log.set(policy))
            _ = await log.append(try draft("a"), try draft("b"))
        }
        // What the third step did is undone.
        try folder.change(
            """
            DROP TABLE tokens;
            ALTER TABLE policies DROP COLUMN max_publishes_per_second;
            ALTER TABLE policies DROP COLUMN max_publish_bytes_per_second;
            ALTER TABLE policies DROP COLUMN remove_ended_after_seconds;
            ALTER TABLE topics DROP COLUMN end_reason;
            ALTER TABLE topics DROP COLUMN end_time;
            ALTER TABLE topics DROP COLUMN end_last_id;
            DELETE FROM grdb_migrations WHERE identifier >= '0003';
            PRAGMA user_version = 2;
            """ + undoTopicBlocks
        )
        try await folder.withLog { log async throws in
            #expect(log.policies == PolicySet([policy]))
            #expect(log.head == 2)
            #expect(log.tokens.current.count == 0)
            #expect(try await log.create(new)?.id == 1)
        }
        #expect(try folder.number("PRAGMA user_version") == 5)
    }

    @Test("A grant that is none keeps the log closed, in words")
    func badGrant() async throws {
        for grant in ["a/**", "[\"a//b\"]", "[1]", "{}"] {
            let folder = try LogFolder()
            let new = try self.token(1)
            try await folder.withLog { log async throws in #expect(try await log.create(new) != nil)
            }
            for column in ["publish", "stop"] {
                try folder.change("UPDATE tokens SET publish = '[]', \(column) = '\(grant)'")
                let error = #expect(throws: DataDirectoryError.self) { try folder.open() }
                #expect(error?.description.contains("token 1") == true)
            }
        }
    }

    @Test("A closed log makes and revokes no token")
    func closed() async throws {
        let log = try LogFolder().open()
        let new = try self.token(1)
        #expect(try await log.create(new) != nil)
        log.close()
        await #expect(throws: LogError.closed) { try await log.create(new) }
        await #expect(throws: LogError.closed) { try await log.revoke(1) }
    }
}
