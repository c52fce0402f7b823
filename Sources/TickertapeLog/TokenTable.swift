import Foundation
import GRDB
import GRDBSQLite
import TickertapeCore

/// The access tokens as they stand in the database.
///
/// Writer thread only.
struct TokenTable {
    private let connection: OpaquePointer?
    private let insertToken: PreparedStatement
    private let revokeToken: PreparedStatement
    private let deleteToken: PreparedStatement

    init(_ database: Database) throws {
        self.connection = database.sqliteConnection
        self.insertToken = try PreparedStatement(
            database,
            """
            INSERT INTO tokens (hash, hint, publish, subscribe, created, expires, note, stop)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?)
            """
        )
        self.revokeToken = try PreparedStatement(
            database,
            "UPDATE tokens SET revoked = ? WHERE id = ?"
        )
        self.deleteToken = try PreparedStatement(database, "DELETE FROM tokens WHERE id = ?")
    }

    func insert(
        _ token: NewToken,
        atMilliseconds now: Int64
    ) throws(SQLiteFailure) -> StoredToken {
        self.insertToken.bind(bytes: token.hash, at: 1)
        self.insertToken.bind(token.hint, at: 2)
        self.insertToken.bind(Self.json(token.grant.publish), at: 3)
        self.insertToken.bind(Self.json(token.grant.subscribe), at: 4)
        self.insertToken.bind(now, at: 5)
        self.insertToken.bind(token.expiresMilliseconds, at: 6)
        self.insertToken.bind(token.note, at: 7)
        self.insertToken.bind(Self.json(token.grant.stop), at: 8)
        try self.insertToken.run()
        return StoredToken(
            id: sqlite3_last_insert_rowid(self.connection),
            hash: token.hash,
            hint: token.hint,
            grant: token.grant,
            createdMilliseconds: now,
            expiresMilliseconds: token.expiresMilliseconds,
            note: token.note
        )
    }

    func revoke(_ id: Int64, atMilliseconds now: Int64) throws(SQLiteFailure) {
        self.revokeToken.bind(now, at: 1)
        self.revokeToken.bind(id, at: 2)
        try self.revokeToken.run()
    }

    func remove(_ id: Int64) throws(SQLiteFailure) {
        self.deleteToken.bind(id, at: 1)
        try self.deleteToken.run()
    }

    /// Reads those that are good or ended lately, and removes the others.
    ///
    /// - Throws: Also when something was put there that grants no patterns.
    static func load(_ database: Database, atMilliseconds now: Int64) throws -> TokenSet {
        let forgotten = now - TokenSet.endedDaysKept * 86_400_000
        try self.removeEnded(before: forgotten, database)
        let rows = try PreparedStatement(
            database,
            """
            SELECT id, hash, hint, publish, subscribe, created, expires, revoked, note, stop
            FROM tokens
            """
        )
        var tokens: [StoredToken] = []
        while try rows.step() {
            let id = rows.int64(0)
            guard let publish = self.patterns(rows.text(3)),
                let subscribe = self.patterns(rows.text(4)),
                let stop = self.patterns(rows.text(9))
            else {
                rows.reset()
                throw DataDirectoryError(
                    "the log has a token \(id) whose grant is no list of patterns"
                )
            }
            tokens.append(
                StoredToken(
                    id: id,
                    hash: rows.bytes(1),
                    hint: rows.text(2),
                    grant: Grant(publish: publish, subscribe: subscribe, stop: stop),
                    createdMilliseconds: rows.int64(5),
                    expiresMilliseconds: rows.int64OrNil(6),
                    revokedMilliseconds: rows.int64OrNil(7),
                    note: rows.text(8)
                )
            )
        }
        return TokenSet(tokens)
    }

    private static func removeEnded(before time: Int64, _ database: Database) throws {
        let delete = try PreparedStatement(
            database,
            "DELETE FROM tokens WHERE expires < ?1 OR revoked < ?1"
        )
        delete.bind(time, at: 1)
        do throws(SQLiteFailure) {
            try delete.run()
        } catch {
            // A broker whose disk is full starts all the same: what is left ended long ago, grants
            // nothing, and is removed another time.
            return
        }
    }

    private static func json(_ patterns: [TopicPattern]) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .withoutEscapingSlashes
        guard let data = try? encoder.encode(patterns.map(\.text)) else {
            preconditionFailure("texts can be written as JSON")
        }
        return String(decoding: data, as: UTF8.self)
    }

    private static func patterns(_ json: String) -> [TopicPattern]? {
        let texts = try? JSONDecoder().decode([String].self, from: Data(json.utf8))
        return try? texts?.map { try TopicPattern($0) }
    }
}
