import Foundation

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// The way to the socket of a data directory.
enum SocketPath {
    /// `sun_path` has 108 bytes, the last a zero.
    static let bytesMax = 107

    /// A path that fits into a socket address.
    ///
    /// A directory with a longer name is opened and reached by its number under `/proc`; it stays
    /// open as long as the process.
    ///
    /// - Throws: A sentence when there is no socket, or no permission to see it.
    static func find(in directory: String) throws -> String {
        let path = "\(directory)/\(DoorAddress.socketName)"
        guard path.utf8.count > Self.bytesMax else {
            try Self.check(path, directory)
            return path
        }
        let file = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard file >= 0 else { throw Self.unreachable(directory, errno) }
        let short = "/proc/self/fd/\(file)/\(DoorAddress.socketName)"
        try Self.check(short, directory)
        return short
    }

    private static func check(_ path: String, _ directory: String) throws {
        guard access(path, F_OK) == 0 else { throw Self.unreachable(directory, errno) }
        let attributes = try? FileManager.default.attributesOfItem(atPath: path)
        // A link to a socket is as good as one.
        let type = attributes?[.type] as? FileAttributeType
        guard type == .typeSocket || type == .typeSymbolicLink else {
            throw CommandFailure(
                "\(DoorAddress.socketName) in \(printable(directory)) is no socket; "
                    + "move it away and start the broker again",
                .unreachable
            )
        }
    }

    private static func unreachable(_ directory: String, _ number: Int32) -> CommandFailure {
        let shown = printable(directory)
        switch number {
        case ENOENT, ENOTDIR:
            var isDirectory: ObjCBool = false
            let isThere = FileManager.default.fileExists(
                atPath: directory,
                isDirectory: &isDirectory
            )
            guard !isThere || isDirectory.boolValue else {
                return CommandFailure(
                    "\(shown) is a file; --data-dir is the folder that a broker runs on",
                    .unreachable
                )
            }
            let why = isThere ? "there is no \(DoorAddress.socketName)" : "there is no such folder"
            return CommandFailure(
                "no broker is running on \(shown) (\(why)); "
                    + "start one with: tickertape serve --data-dir \(shown)",
                .unreachable
            )
        case EACCES: return DoorSentence.noPermission(directory)
        default:
            let reason = String(cString: strerror(number))
            return CommandFailure("\(shown) cannot be looked into: \(reason)", .unreachable)
        }
    }
}
