import Crypto
import Foundation

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// A file of keys as it is on the disk.
struct KeyFile: Sendable {
    /// What changes when a file is written, replaced or linked elsewhere.
    struct Stamp: Equatable, Sendable {
        private let numbers: [Int64]
        /// When it was written or renamed, by the system's clock.
        private let changedSeconds: Int64
        let mode: UInt32

        init(_ status: stat) {
            self.mode = UInt32(status.st_mode)
            self.changedSeconds = Int64(status.st_ctim.tv_sec)
            self.numbers = [
                Int64(truncatingIfNeeded: status.st_dev),
                Int64(truncatingIfNeeded: status.st_ino),
                Int64(status.st_size),
                Int64(status.st_mtim.tv_sec), Int64(status.st_mtim.tv_nsec),
                Int64(status.st_ctim.tv_sec), Int64(status.st_ctim.tv_nsec),
            ]
        }

        /// Whether a further change would show in it: clocks of file systems tick in milliseconds.
        var isSettled: Bool { abs(Int64(time(nil)) - self.changedSeconds) > 2 }

        var isReadByOthers: Bool { self.mode & 0o077 != 0 }
    }

    let bytes: [UInt8]
    let stamp: Stamp

    var digest: [UInt8] { Array(SHA256.hash(data: self.bytes)) }

    /// - Returns: Nothing when there is no such file.
    static func stamp(of path: String) -> Stamp? {
        var status = stat()
        return stat(path, &status) == 0 ? Stamp(status) : nil
    }

    init(_ path: String, bytesMax: Int) throws(KeyFileError) {
        // A pipe is refused below, and must not be waited for here.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw KeyFileError("it cannot be read: \(systemWords())") }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw KeyFileError("it is no file")
        }
        guard Int64(status.st_size) <= Int64(bytesMax) else {
            throw KeyFileError("it has \(status.st_size) bytes, but may have \(bytesMax)")
        }
        var bytes = [UInt8](repeating: 0, count: bytesMax + 1)
        var count = 0
        while count < bytes.count {
            let part = bytes.withUnsafeMutableBytes { buffer in
                read(descriptor, buffer.baseAddress?.advanced(by: count), buffer.count - count)
            }
            if part == 0 { break }
            guard part > 0 else {
                if errno == EINTR { continue }
                throw KeyFileError("it cannot be read: \(systemWords())")
            }
            count += part
        }
        guard count <= bytesMax else {
            throw KeyFileError("it has more than \(bytesMax) bytes")
        }
        self.bytes = Array(bytes[..<count])
        self.stamp = Stamp(status)
    }
}

private func systemWords() -> String { String(cString: strerror(errno)) }
