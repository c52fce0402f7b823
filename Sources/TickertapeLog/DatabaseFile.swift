import Foundation
import GRDB
import Logging

/// The SQLite file of a log: how it is made, checked, migrated and opened.
enum DatabaseFile {
    /// `TAPE` at offset 68 of the file says that it is ours (SQLite file format §1.3.14).
    static let applicationID: Int32 = 0x5441_5045

    /// Applied in order, recorded by name; append only.
    private static let migrations: [(name: String, sql: [UInt8])] = [
        ("0001_messages", PackageResources._001_messages_sql),
        ("0002_policies", PackageResources._002_policies_sql),
        ("0003_tokens", PackageResources._003_tokens_sql),
        ("0004_topic_ends", PackageResources._004_topic_ends_sql),
        ("0005_topic_blocks", PackageResources._005_topic_blocks_sql),
    ]

    /// How long a connection waits for another that writes.
    static let busyMilliseconds: Int32 = 5_000

    /// Half as many writes a commit as with 4 KiB.
    static let pageBytes: Int64 = 8_192

    /// The number of migrations, also in the header of the file.
    static var schemaVersion: Int { self.migrations.count }

    /// Makes sure that a current log stands at `databasePath`, without touching a foreign file.
    ///
    /// - Throws: A sentence when the file is no log or belongs to a newer version.
    static func prepare(in directory: DataDirectory, _ logger: Logger) throws {
        let path = directory.databasePath
        if FileManager.default.fileExists(atPath: path), !self.isEmpty(path) {
            let version = try self.check(path)
            if version < self.schemaVersion {
                // A large log takes a while, about a second for a million small messages.
                logger.notice(
                    "bringing the log to the current schema",
                    metadata: [
                        "tickertape.schema": "\(version)",
                        "tickertape.current_schema": "\(self.schemaVersion)",
                    ]
                )
            }
            try self.migrate(path)
            return
        }
        guard !FileManager.default.fileExists(atPath: path + "-wal") else {
            throw DataDirectoryError(
                """
                \(path) is missing but \(path)-wal is there: \
                restore the first or move the second away
                """
            )
        }
        try self.create(path)
        try directory.synchronize()
    }

    /// A connection that may write: WAL, every commit synced before it returns.
    static func openWriter(_ path: String) throws -> DatabaseQueue {
        var configuration = Configuration()
        configuration.journalMode = .wal
        configuration.label = "writer"
        // An operator's tool may write too, for a moment.
        configuration.busyMode = .timeout(Double(self.busyMilliseconds) / 1_000)
        let queue = try DatabaseQueue(path: path, configuration: configuration)
        try queue.inDatabase { database in
            // GRDB sets NORMAL with WAL, which would lose acknowledged messages in a power cut.
            try database.execute(sql: "PRAGMA synchronous = FULL")
            try database.execute(sql: "PRAGMA wal_autocheckpoint = 0")
            // What a removal undoes if it fails is kept in memory, some pages: a file for it, made
            // and removed in each transaction, would wait for the disk, and need a place to be.
            try database.execute(sql: "PRAGMA temp_store = MEMORY")
            let level = try Int.fetchOne(database, sql: "PRAGMA synchronous")
            precondition(level == 2, "a commit must be synced before it is answered")
        }
        return queue
    }

    /// A connection that only reads.
    static func openReader(_ path: String) throws -> DatabaseQueue {
        var configuration = Configuration()
        configuration.readonly = true
        configuration.label = "reader"
        configuration.busyMode = .timeout(Double(self.busyMilliseconds) / 1_000)
        return try DatabaseQueue(path: path, configuration: configuration)
    }

    /// Builds the file beside its place and renames it, so that it is never seen half made.
    private static func create(_ path: String) throws {
        let draft = path + ".new"
        for suffix in ["", "-journal", "-wal", "-shm"]
        where FileManager.default.fileExists(atPath: draft + suffix) {
            try FileManager.default.removeItem(atPath: draft + suffix)
        }
        // Its owner's alone, whoever may look into the folder; the files beside it get its mode.
        let made = open(draft, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard made >= 0, close(made) == 0 else {
            throw DataDirectoryError("\(draft) cannot be made")
        }
        let queue = try DatabaseQueue(path: draft)
        try queue.inDatabase { database in
            // Both must be set at creation.
            try database.execute(sql: "PRAGMA page_size = \(self.pageBytes)")
            // Pages that retention frees can be given back later.
            try database.execute(sql: "PRAGMA auto_vacuum = INCREMENTAL")
            try database.execute(sql: "PRAGMA application_id = \(self.applicationID)")
        }
        try self.migrate(queue)
        try queue.close()
        let descriptor = open(draft, O_RDWR | O_CLOEXEC)
        guard descriptor >= 0, fsync(descriptor) == 0, close(descriptor) == 0 else {
            throw DataDirectoryError("\(draft) cannot be synced")
        }
        guard rename(draft, path) == 0 else {
            throw DataDirectoryError("\(draft) cannot be renamed to \(path)")
        }
    }

    /// A file of no bytes holds nothing that could be lost.
    private static func isEmpty(_ path: String) -> Bool {
        let attributes = try? FileManager.default.attributesOfItem(atPath: path)
        return attributes?[.size] as? Int == 0
    }

    /// Looks at the header alone, so that a foreign file is not even opened by SQLite.
    ///
    /// - Returns: The version of its schema.
    private static func check(_ path: String) throws -> Int {
        let header: Data
        do {
            let handle = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
            header = try handle.read(upToCount: 100) ?? Data()
            try handle.close()
        } catch {
            throw DataDirectoryError("\(path) cannot be read: \(error)")
        }
        let bytes = [UInt8](header)
        guard bytes.count == 100, bytes.starts(with: Array("SQLite format 3\0".utf8)),
            self.integer(in: bytes, at: 68) == self.applicationID
        else {
            throw DataDirectoryError(
                "\(path) is not the log of a tickertape; it was left as it is"
            )
        }
        let version = self.integer(in: bytes, at: 60)
        guard version <= self.migrations.count else { throw self.newer(path, version) }
        let queue = try self.openReader(path)
        let known = Set(self.migrations.map(\.name))
        let unknown = try queue.read { database in
            try self.migrator.appliedIdentifiers(database).subtracting(known).sorted()
        }
        try queue.close()
        guard unknown.isEmpty else { throw self.newer(path, version) }
        return Int(version)
    }

    private static func newer(_ path: String, _ version: Int32) -> DataDirectoryError {
        DataDirectoryError(
            """
            \(path) was written by a newer tickertape (schema \(version), this one knows \
            \(self.migrations.count)); it was left as it is
            """
        )
    }

    private static func integer(in bytes: [UInt8], at offset: Int) -> Int32 {
        bytes[offset..<offset + 4].reduce(0) { $0 << 8 | Int32($1) }
    }

    private static func migrate(_ path: String) throws {
        let queue = try self.openWriter(path)
        // An index of a large log is sorted in files.
        try queue.inDatabase { try $0.execute(sql: "PRAGMA temp_store = DEFAULT") }
        try self.migrate(queue)
        try queue.close()
    }

    private static func migrate(_ queue: DatabaseQueue) throws {
        try self.migrator.migrate(queue)
        try queue.inDatabase { database in
            // In the header, where an older broker sees it without opening the file.
            try database.execute(sql: "PRAGMA user_version = \(self.migrations.count)")
        }
    }

    private static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        for migration in self.migrations {
            // Immediate: checking every message of a large log afterwards would take minutes.
            migrator.registerMigration(migration.name, foreignKeyChecks: .immediate) { database in
                try database.execute(sql: String(decoding: migration.sql, as: UTF8.self))
            }
        }
        return migrator
    }
}
