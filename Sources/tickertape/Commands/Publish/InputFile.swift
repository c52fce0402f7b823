#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Standard input, or a file in its place.
struct InputFile {
    /// The largest payload a broker may be configured to take, and one more.
    static let payloadBytesMax = 67_108_864

    let descriptor: Int32

    /// - Throws: When the file cannot be opened.
    init(_ path: String?) throws {
        guard let path else {
            self.descriptor = STDIN_FILENO
            return
        }
        self.descriptor = open(path, O_RDONLY | O_CLOEXEC)
        var found = stat()
        guard self.descriptor >= 0, fstat(self.descriptor, &found) == 0 else {
            let reason = String(cString: strerror(errno))
            throw CommandFailure("\(printable(path)) cannot be read: \(reason)")
        }
        guard found.st_mode & S_IFMT != S_IFDIR else {
            throw CommandFailure("\(printable(path)) is a folder, not a file")
        }
    }

    /// All of it.
    ///
    /// - Throws: When it cannot be read, or is larger than any message may be.
    func readAll() throws -> [UInt8] {
        var bytes: [UInt8] = []
        while try Self.read(self.descriptor, upTo: 262_144, into: &bytes) > 0 {
            guard bytes.count <= Self.payloadBytesMax else {
                throw CommandFailure("the message is larger than 64 MiB, which no broker takes")
            }
        }
        return bytes
    }

    /// Waits for bytes and adds them.
    ///
    /// - Returns: How many; 0 at the end of the input.
    /// - Throws: When it cannot be read.
    static func read(_ file: Int32, upTo count: Int, into bytes: inout [UInt8]) throws -> Int {
        var result = 0
        let read = [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            repeat {
                #if canImport(Glibc)
                result = Glibc.read(file, buffer.baseAddress, count)
                #else
                result = Musl.read(file, buffer.baseAddress, count)
                #endif
            } while result < 0 && errno == EINTR
            initialized = max(0, result)
        }
        guard result >= 0 else {
            throw CommandFailure("the input cannot be read: \(String(cString: strerror(errno)))")
        }
        bytes += read
        return result
    }
}
