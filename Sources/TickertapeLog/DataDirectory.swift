import Foundation

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Why a data directory cannot be used, in a sentence for the operator.
package struct DataDirectoryError: Error, CustomStringConvertible, Sendable {
    package let description: String

    init(_ description: String) {
        self.description = description
    }
}

/// The folder of one broker: `tickertape.db` and a lock that keeps a second broker out.
///
/// The lock lives as long as this object.
final class DataDirectory: Sendable {
    let path: String
    var databasePath: String { self.path + "/tickertape.db" }

    private let lockDescriptor: Int32

    /// Makes the folder if need be and locks it.
    ///
    /// - Throws: When it cannot be made or another broker has it.
    init(path: String) throws(DataDirectoryError) {
        self.path = URL(fileURLWithPath: path).standardizedFileURL.path
        do {
            try Self.makeFolder(self.path)
        } catch {
            throw DataDirectoryError("the data directory \(self.path) cannot be made: \(error)")
        }
        let lockPath = self.path + "/lock"
        self.lockDescriptor = open(lockPath, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard self.lockDescriptor >= 0 else {
            throw DataDirectoryError("\(lockPath) cannot be opened: \(lastSystemError())")
        }
        guard flock(self.lockDescriptor, LOCK_EX | LOCK_NB) == 0 else {
            let owner = (try? String(contentsOfFile: lockPath, encoding: .utf8)) ?? ""
            close(self.lockDescriptor)
            let process = owner.isEmpty ? "" : " (process \(owner))"
            throw DataDirectoryError(
                "the data directory \(self.path) is in use by another tickertape\(process)"
            )
        }
        let owner = Array(String(getpid()).utf8)
        guard ftruncate(self.lockDescriptor, 0) == 0,
            write(self.lockDescriptor, owner, owner.count) == owner.count
        else {
            close(self.lockDescriptor)
            throw DataDirectoryError("\(lockPath) cannot be written: \(lastSystemError())")
        }
    }

    deinit {
        close(self.lockDescriptor)
    }

    /// Makes what was created or renamed in the folder survive a power cut.
    func synchronize() throws(DataDirectoryError) {
        guard Self.synchronize(folder: self.path) else {
            throw DataDirectoryError("\(self.path) cannot be synced: \(lastSystemError())")
        }
    }

    private static func makeFolder(_ path: String) throws {
        var isFolder: ObjCBool = false
        if FileManager.default.fileExists(atPath: path, isDirectory: &isFolder),
            isFolder.boolValue
        {
            return
        }
        try FileManager.default.createDirectory(
            atPath: path,
            withIntermediateDirectories: true,
            attributes: [.posixPermissions: 0o700]
        )
        _ = self.synchronize(folder: (path as NSString).deletingLastPathComponent)
    }

    private static func synchronize(folder: String) -> Bool {
        let descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        return fsync(descriptor) == 0
    }
}

private func lastSystemError() -> String {
    String(cString: strerror(errno))
}
