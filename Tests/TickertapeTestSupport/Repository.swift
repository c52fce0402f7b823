package import Foundation

/// The files of this repository, found from where this one was compiled.
package enum Repository {
    package static let root = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    /// The text of a file, by its path from the root.
    package static func text(_ path: String) throws -> String {
        try String(contentsOf: self.root.appendingPathComponent(path), encoding: .utf8)
    }

    package static func data(_ path: String) throws -> Data {
        try Data(contentsOf: self.root.appendingPathComponent(path))
    }

    /// The files below a folder, relative to the root, sorted; links are followed nowhere.
    package static func files(below folder: String) throws -> [String] {
        let start = self.root.appendingPathComponent(folder)
        let found = FileManager.default.enumerator(
            at: start,
            includingPropertiesForKeys: [.isRegularFileKey]
        )
        var paths: [String] = []
        while let url = found?.nextObject() as? URL {
            let values = try url.resourceValues(forKeys: [.isRegularFileKey])
            guard values.isRegularFile == true else { continue }
            paths.append(String(url.path.dropFirst(self.root.path.count + 1)))
        }
        return paths.sorted()
    }
}

/// A folder of its own for one test.
package final class TemporaryFolder: Sendable {
    package let path: String

    package init() throws {
        let name = "tickertape-tests-\(UUID().uuidString)"
        self.path = FileManager.default.temporaryDirectory.appendingPathComponent(name).path
        try FileManager.default.createDirectory(
            atPath: self.path,
            withIntermediateDirectories: true
        )
    }

    deinit {
        try? FileManager.default.removeItem(atPath: self.path)
    }
}
