import Foundation
import Testing
import TickertapeTestSupport

struct TrackedFileTests {
    /// The files git knows; nothing where there is no git.
    private func trackedFiles() throws -> [String]? {
        let git = Process()
        let output = Pipe()
        git.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        git.arguments = ["git", "-C", Repository.root.path, "ls-files", "-z"]
        git.standardOutput = output
        git.standardError = FileHandle.nullDevice
        guard (try? git.run()) != nil else { return nil }
        let bytes = output.fileHandleForReading.readDataToEndOfFile()
        git.waitUntilExit()
        guard git.terminationStatus == 0 else { return nil }
        return bytes.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
    }

    private func files() throws -> [String] {
        if let tracked = try self.trackedFiles() { return tracked }
        let folders = ["Sources", "Tests", "docs", "deploy", "migrations"]
        return try folders.flatMap { try Repository.files(below: $0) } + [
            "README.md", "Package.swift",
        ]
    }

    @Test("No file names a path of the machine it was written on")
    func machinePaths() throws {
        let paths = ["work", "root"].map { "/" + $0 + "/" }
        let files = try self.files()
        #expect(files.count > 50)
        for file in files {
            // A file that is tracked may have been removed since; one with other bytes is no text.
            guard let text = try? Repository.text(file) else { continue }
            for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false)
                .enumerated()
            {
                for path in paths where line.contains(path) {
                    Issue.record("\(file):\(index + 1): \(line)")
                }
            }
        }
    }

    @Test("At the top there is what belongs there, and nothing that a tool has left")
    func topLevel() throws {
        let known = [
            "Package.swift", "README.md", "Sources", "Tests", "deploy", "docs", "migrations",
        ]
        let top = Set(try self.files().map { $0.prefix { $0 != "/" } })
        #expect(top.filter { !$0.hasPrefix(".") } == Set(known.map { $0[...] }))
    }

    @Test("Lines end with LF, files with a line end, and no line ends with a space")
    func lineEnds() throws {
        for file in try self.files() {
            guard let data = try? Repository.data(file), !data.contains(0), !data.isEmpty else {
                continue
            }
            #expect(!data.contains(0x0D), "\(file)")
            #expect(data.last == 0x0A, "\(file)")
            let lines = data.split(separator: 0x0A)
            #expect(!lines.contains { $0.last == 0x20 || $0.last == 0x09 }, "\(file)")
        }
    }
}
