import Foundation
import GRDB
import Testing
import TickertapeCore
import TickertapeLog
import TickertapeTestSupport

@Suite(.serialized)
struct DataDirectoryTests {
    /// What is said when the log cannot be opened.
    private func refusal(_ folder: LogFolder) -> String? {
        do {
            try folder.open().close()
            return nil
        } catch {
            #expect(error is DataDirectoryError, "\(error)")
            return "\(error)"
        }
    }

    @Test("A second broker is kept out of the directory until the first is gone")
    func secondOpen() async throws {
        let folder = try LogFolder()
        try await folder.withLog { log in
            let sentence = try #require(self.refusal(folder))
            #expect(sentence.contains("is in use by another tickertape"))
            #expect(sentence.contains(folder.folder.path))
            #expect(sentence.contains("\(getpid())"))
            #expect(await log.append(try draft("a")) == [.stored(id: 1)], "the first goes on")
        }
        #expect(self.refusal(folder) == nil)
    }

    @Test("The directory is made with its parents, for the owner alone")
    func making() throws {
        let parent = try TemporaryFolder()
        let path = parent.path + "/x/./y/../data dir é"
        let folder = try LogFolder()
        let log = try SQLiteLog(
            dataDirectory: path,
            limits: folder.limits,
            logger: quietLogger
        )
        defer { log.close() }
        #expect(log.dataDirectoryPath == parent.path + "/x/data dir é")
        let attributes = try FileManager.default.attributesOfItem(atPath: log.dataDirectoryPath)
        #expect(attributes[.posixPermissions] as? Int == 0o700)
    }

    @Test("A directory that cannot be made is refused in words")
    func unusable() throws {
        let parent = try TemporaryFolder()
        let file = parent.path + "/file"
        try Data("x".utf8).write(to: URL(fileURLWithPath: file))
        #expect(throws: DataDirectoryError.self) {
            try SQLiteLog(dataDirectory: file, limits: Limits(), logger: quietLogger)
        }
        #expect(try Data(contentsOf: URL(fileURLWithPath: file)) == Data("x".utf8))
    }

    static let foreign: [(String, [UInt8])] = [
        ("a text", Array("hello".utf8)),
        ("a long text", Array(String(repeating: "hello ", count: 1_000).utf8)),
        ("zeros", Array(repeating: 0, count: 4_096)),
        ("no more than a header", Array("SQLite format 3\0".utf8) + Array(repeating: 1, count: 84)),
    ]

    @Test("A file that is no log is refused and left as it is", arguments: foreign)
    func noLog(name: String, bytes: [UInt8]) throws {
        let folder = try LogFolder()
        try Data(bytes).write(to: URL(fileURLWithPath: folder.databasePath))
        try self.expectRefusal(folder, "not the log of a tickertape")
    }

    @Test("A database of another program is refused and left as it is")
    func otherDatabase() throws {
        for sql in ["CREATE TABLE t (x)", "PRAGMA application_id = 7", "PRAGMA user_version = 1"] {
            let folder = try LogFolder()
            try folder.change(sql)
            try self.expectRefusal(folder, "not the log of a tickertape")
        }
    }

    @Test(
        "A log of a newer version is refused and left as it is",
        arguments: [
            "PRAGMA user_version = 6", "PRAGMA user_version = 2147483647",
            "INSERT INTO grdb_migrations VALUES ('9999_future')",
        ]
    )
    func newerSchema(sql: String) async throws {
        let folder = try LogFolder()
        try await folder.withLog { log in _ = await log.append(try draft("a")) }
        try folder.change(sql)
        try self.expectRefusal(folder, "newer tickertape")
    }

    private func expectRefusal(_ folder: LogFolder, _ reason: String) throws {
        let url = URL(fileURLWithPath: folder.databasePath)
        let before = try Data(contentsOf: url)
        let sentence = try #require(self.refusal(folder))
        #expect(sentence.contains(reason), "\(sentence)")
        #expect(sentence.contains(folder.databasePath), "\(sentence)")
        #expect(try Data(contentsOf: url) == before)
        #expect(!FileManager.default.fileExists(atPath: folder.databasePath + ".new"))
    }

    @Test("A write-ahead log without its database is not overwritten")
    func orphanedWAL() throws {
        let folder = try LogFolder()
        let wal = URL(fileURLWithPath: folder.databasePath + "-wal")
        try Data("x".utf8).write(to: wal)
        let sentence = try #require(self.refusal(folder))
        #expect(sentence.contains("is missing"))
        #expect(try Data(contentsOf: wal) == Data("x".utf8))
        #expect(!FileManager.default.fileExists(atPath: folder.databasePath))
    }

    @Test("What a crash left of a log half made does not matter")
    func leftovers() throws {
        let folder = try LogFolder()
        for suffix in [".new", ".new-wal", ".new-shm", ".new-journal"] {
            let path = folder.databasePath + suffix
            try Data("half".utf8).write(to: URL(fileURLWithPath: path))
        }
        #expect(self.refusal(folder) == nil)
        #expect(!FileManager.default.fileExists(atPath: folder.databasePath + ".new"))
    }

    @Test("The file says whose it is, and is in WAL mode with every commit synced")
    func fileFormat() async throws {
        let folder = try LogFolder()
        try await folder.withLog { log in _ = await log.append(try draft("a")) }
        let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: folder.databasePath)))
        #expect(bytes[68..<72] == [0x54, 0x41, 0x50, 0x45][...], "application_id")
        #expect(bytes[60..<64] == [0, 0, 0, 5][...], "user_version")
        #expect(bytes[18..<20] == [2, 2][...], "WAL")
        let queue = try DatabaseQueue(path: folder.databasePath)
        let check = try await queue.read { try String.fetchOne($0, sql: "PRAGMA integrity_check") }
        #expect(check == "ok")
    }
}
