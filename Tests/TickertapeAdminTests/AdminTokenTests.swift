import Foundation
import Testing
import TickertapeTestSupport

@testable import TickertapeAdmin

struct AdminTokenTests {
    private let folder: TemporaryFolder

    init() throws {
        self.folder = try TemporaryFolder()
    }

    private var path: String { "\(self.folder.path)/admin-token" }

    private func mode(_ path: String) throws -> Int {
        let attributes = try FileManager.default.attributesOfItem(atPath: path)
        return try #require((attributes[.posixPermissions] as? NSNumber)?.intValue)
    }

    @Test("A file is made once, for its owner alone, and holds 256 random bits")
    func create() throws {
        try AdminTokenFile.create(self.path)
        let text = try String(contentsOfFile: self.path, encoding: .utf8)
        #expect(try self.mode(self.path) == 0o600)
        #expect(text.wholeMatch(of: /tta_[A-Za-z0-9_-]{43}\n/) != nil, "\(text)")
        let token = try AdminTokenFile.read(self.path)
        #expect(token.matches(String(text.dropLast())))
        #expect(!token.matches(text))

        try AdminTokenFile.create(self.path)
        #expect(try String(contentsOfFile: self.path, encoding: .utf8) == text)
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: self.folder.path) == ["admin-token"]
        )
        #expect(AdminToken.random() != AdminToken.random())
    }

    @Test(
        "A file that others can read is refused, with what to do",
        arguments: [0o640, 0o604, 0o644]
    )
    func readable(_ mode: Int) throws {
        try AdminTokenFile.create(self.path)
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: self.path)
        let error = #expect(throws: AdminDoorError.self) { try AdminTokenFile.read(self.path) }
        #expect("\(try #require(error))".hasSuffix("chmod 600 \(self.path)"))
    }

    @Test(
        "What is no secret is refused",
        arguments: ["", "short", "0123456789abcde", "0123456789 abcdef", "0123456789abcdefé"]
    )
    func bad(_ text: String) throws {
        try Data(text.utf8).write(to: URL(fileURLWithPath: self.path))
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: self.path)
        let error = #expect(throws: AdminDoorError.self) { try AdminTokenFile.read(self.path) }
        #expect("\(try #require(error))".contains(self.path))
        #expect(!"\(try #require(error))".contains("0123456789"), "a secret stays out of the log")
    }

    @Test("A file that is not there, or a folder, is refused")
    func missing() {
        for path in ["\(self.folder.path)/none", self.folder.path] {
            #expect(throws: AdminDoorError.self) { try AdminTokenFile.read(path) }
        }
    }
}
