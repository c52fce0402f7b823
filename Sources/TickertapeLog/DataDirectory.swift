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
        var found = stat()
        if stat(self.path, &found) == 0, found.st_mode & S_IFMT != S_IFDIR {
            throw DataDirectoryError("the data directory \(self.path) is a file, not a folder")
        }
        guard Self.makeFolder(self.path) else {
            throw DataDirectoryError(
                "the data directory \(self.path) cannot be made: \(lastSystemError())"
            )
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

    /// Makes the folder and those above it; `errno` says why it cannot.
    private static func makeFolder(_ path: String) -> Bool {
        let above = (path as NSString).deletingLastPathComponent
        if mkdir(path, 0o700) != 0 {
            if errno == EEXIST { return true }
            guard errno == ENOENT, above != path, self.makeFolder(above),
                mkdir(path, 0o700) == 0 || errno == EEXIST
            else { return false }
        }
        _ = self.synchronize(folder: above)
        return true
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
