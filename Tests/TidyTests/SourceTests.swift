import Foundation
import Testing
import TickertapeTestSupport

/// What holds for the sources as text.
struct SourceTests {
    private struct SourceFile {
        let path: String
        let lines: [String]

        /// The folder below `Sources`.
        var module: String { String(self.path.split(separator: "/")[1]) }
    }

    private func swiftFiles(below folder: String) throws -> [SourceFile] {
        try Repository.files(below: folder).filter { $0.hasSuffix(".swift") }.map { path in
            let text = try Repository.text(path)
            let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
            return SourceFile(path: path, lines: lines.map(String.init))
        }
    }

    /// Lines of code in which `word` stands, as `path:line`; comments do not count.
    private func places(of word: String, in files: [SourceFile]) -> [String] {
        files.flatMap { file in
            file.lines.enumerated().compactMap { index, line in
                let isComment = line.drop { $0 == " " }.hasPrefix("//")
                return !isComment && line.contains(word) ? "\(file.path):\(index + 1)" : nil
            }
        }
    }

    private static let system: Set<String> = ["Synchronization", "Foundation", "Glibc", "Musl"]

    /// What each module may import; one way, down this list.
    private static let table: [(module: String, imports: Set<String>)] = [
        ("TickertapeCore", ["Synchronization"]),
        (
            "TickertapeWire",
            ["TickertapeCore", "CZlib", "Crypto", "NIOCore", "Foundation", "Glibc", "Musl"]
        ),
        (
            "TickertapeLog",
            system.union(["TickertapeCore", "Crypto", "GRDB", "GRDBSQLite", "Logging", "Metrics"])
        ),
        (
            "TickertapeBroker",
            [
                "TickertapeCore", "TickertapeWire", "TickertapeLog", "NIOCore", "Logging",
                "Metrics", "Synchronization",
            ]
        ),
        (
            "TickertapeAccess",
            system.union([
                "TickertapeCore", "TickertapeWire", "TickertapeLog", "Crypto", "JWTKit", "Logging",
                "SwiftASN1",
            ])
        ),
        (
            "TickertapeServer",
            system.union([
                "TickertapeCore", "TickertapeWire", "TickertapeLog", "TickertapeBroker",
                "TickertapeAccess", "NIOCore", "NIOHPACK", "NIOHTTP1", "NIOHTTP2", "NIOPosix",
                "NIOSSL", "NIOTLS", "Logging", "Metrics",
            ])
        ),
        (
            "TickertapeAdmin",
            system.union([
                "TickertapeCore", "TickertapeWire", "TickertapeLog", "TickertapeBroker",
                "TickertapeAccess", "TickertapeServer", "Crypto", "HTTPTypes", "Hummingbird",
                "HummingbirdCore", "Logging", "Metrics", "NIOCore", "NIOHTTP1", "NIOHTTPTypes",
                "NIOPosix", "ServiceLifecycle",
            ])
        ),
        (
            "tickertape",
            system.union([
                "TickertapeCore", "TickertapeWire", "TickertapeLog", "TickertapeBroker",
                "TickertapeAccess", "TickertapeServer", "TickertapeAdmin", "ArgumentParser",
                "AsyncHTTPClient", "Logging", "Metrics", "NIOCore", "NIOHTTP1", "NIOPosix",
                "ServiceLifecycle", "UnixSignals",
            ])
        ),
    ]

    @Test("A module imports what its place in the list allows, and nothing else")
    func imports() throws {
        let files = try self.swiftFiles(below: "Sources")
        let importLine =
            /\s*(?:@[\w()]+\s+)*(?:(?:package|public|internal|fileprivate|private)\s+)?import\s+(.+)/
        let kind = /^(?:struct|class|enum|protocol|func|var|let|typealias)\s+/
        for file in files {
            let row = try #require(
                Self.table.first { $0.module == file.module },
                "\(file.path) belongs to no module of the list"
            )
            for line in file.lines {
                guard let match = line.wholeMatch(of: importLine) else { continue }
                let module = match.1.replacing(kind, with: "").prefix { $0 != "." && $0 != " " }
                #expect(row.imports.contains(String(module)), "\(file.path): \(line)")
            }
        }
        #expect(Set(files.map(\.module)) == Set(Self.table.map(\.module)))
    }

    @Test("The list itself goes one way")
    func oneWay() {
        var above: Set<String> = []
        let own = Set(Self.table.map(\.module))
        for row in Self.table {
            #expect(row.imports.intersection(own).isSubset(of: above), "\(row.module)")
            above.insert(row.module)
        }
    }

    @Test("The sources print by the logger, force no try, and leave nothing to do")
    func forbiddenWords() throws {
        let files = try self.swiftFiles(below: "Sources")
        #expect(files.count > 30)
        for word in ["try!", "print(", "fatalError()", "as!"] {
            #expect(self.places(of: word, in: files) == [], "\(word)")
        }
        let all = try files + self.swiftFiles(below: "Tests")
        for word in ["TO" + "DO", "FIX" + "ME"] {
            let left = all.filter { file in file.lines.contains { $0.contains(word) } }
            #expect(left.map(\.path) == [], "\(word)")
        }
    }

    @Test("What the compiler is told not to check says why it is safe")
    func safety() throws {
        for file in try self.swiftFiles(below: "Sources") {
            for word in ["@unchecked Sendable", "nonisolated(unsafe)"] {
                for (index, line) in file.lines.enumerated() where line.contains(word) {
                    let around = file.lines[max(0, index - 6)..<min(file.lines.count, index + 7)]
                    let isExplained = around.contains { near in
                        near.drop { $0 == " " || $0 == "/" }.hasPrefix("Safety:")
                    }
                    #expect(isExplained, "\(file.path):\(index + 1)")
                }
            }
        }
    }

    @Test("A file is small enough to be read: 400 lines in the sources, 300 in their tests")
    func sizes() throws {
        for (folder, linesMax) in [("Sources", 400), ("Tests", 300)] {
            for file in try self.swiftFiles(below: folder) {
                #expect(file.lines.count - 1 <= linesMax, "\(file.path)")
            }
        }
    }
}
