import Foundation

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Where the Unix socket of a data directory is, and how it is bound.
///
/// The data directory is locked by now: a socket that is there is one of a broker that has died, and
/// goes. Anything else of this name is left alone.
struct AdminSocket: Sendable {
    /// As operators know it.
    let path: String
    /// What fits into a socket address: 107 bytes, while paths may be longer (unix(7)).
    let bindPath: String
    private let folderDescriptor: Int32

    private static let addressBytesMax = 107

    init(in folder: String) throws(AdminDoorError) {
        self.path = "\(folder)/\(AdminDoor.socketName)"
        self.folderDescriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard self.folderDescriptor >= 0 else {
            throw AdminDoorError("\(folder) cannot be opened: \(lastSystemError())")
        }
        self.bindPath =
            self.path.utf8.count <= Self.addressBytesMax
            ? self.path : "/proc/self/fd/\(self.folderDescriptor)/\(AdminDoor.socketName)"
        var status = stat()
        guard
            fstatat(self.folderDescriptor, AdminDoor.socketName, &status, AT_SYMLINK_NOFOLLOW) == 0
        else { return }
        guard status.st_mode & S_IFMT == S_IFSOCK else {
            close(self.folderDescriptor)
            throw AdminDoorError("\(self.path) is in the way: it is no socket; move it elsewhere")
        }
        unlinkat(self.folderDescriptor, AdminDoor.socketName, 0)
    }

    func remove() {
        unlinkat(self.folderDescriptor, AdminDoor.socketName, 0)
        close(self.folderDescriptor)
    }
}
