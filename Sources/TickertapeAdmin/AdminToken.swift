import Crypto
import Foundation

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// What a request over TCP proves itself with.
///
/// Only its digest is kept. Compared as digests of one length, byte by byte and to the end: how
/// long it takes says nothing about how much was right.
package struct AdminToken: Sendable {
    private let digest: [UInt8]

    package static let bytesMin = 16
    package static let bytesMax = 1_024

    /// - Throws: When it is too short to be a secret, or cannot travel in a header field.
    package init(_ text: String, from place: String) throws(AdminDoorError) {
        guard text.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw AdminDoorError(
                "the admin token in \(place) has a character that is no visible ASCII"
            )
        }
        guard (Self.bytesMin...Self.bytesMax).contains(text.utf8.count) else {
            throw AdminDoorError(
                """
                the admin token in \(place) has \(text.utf8.count) characters, but should have \
                \(Self.bytesMin) to \(Self.bytesMax)
                """
            )
        }
        self.digest = Array(SHA256.hash(data: Data(text.utf8)))
    }

    package func matches(_ text: String) -> Bool {
        var difference: UInt8 = 0
        for (left, right) in zip(self.digest, SHA256.hash(data: Data(text.utf8))) {
            difference |= left ^ right
        }
        return difference == 0
    }

    /// Whether the value of an `Authorization` field proves it: as a bearer (RFC 6750), or as the
    /// password of any user (RFC 7617), which is what browsers can send.
    package func isProved(by authorization: String) -> Bool {
        let parts = authorization.split(separator: " ", maxSplits: 1)
        guard parts.count == 2 else { return false }
        let credentials = parts[1].trimmingCharacters(in: .whitespaces)
        switch parts[0].lowercased() {
        case "bearer": return self.matches(credentials)
        case "basic":
            guard let decoded = Data(base64Encoded: credentials),
                let text = String(data: decoded, encoding: .utf8),
                let colon = text.utf8.firstIndex(of: UInt8(ascii: ":"))
            else { return false }
            return self.matches(String(text[text.utf8.index(after: colon)...]))
        default: return false
        }
    }

    /// 256 random bits behind a prefix by which scanners for leaked secrets know it.
    static func random() -> String {
        let key = SymmetricKey(size: .bits256).withUnsafeBytes { Data($0) }
        let text = key.base64EncodedString().map { letter -> Character in
            letter == "+" ? "-" : letter == "/" ? "_" : letter
        }
        return "tta_" + String(text.prefix { $0 != "=" })
    }
}

/// The file that holds the token.
package enum AdminTokenFile {
    /// Reads the token of a file that only its owner can read.
    ///
    /// - Throws: When it cannot be read, others can read it, or what it holds is no token.
    package static func read(_ path: String) throws(AdminDoorError) -> AdminToken {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw AdminDoorError("the admin token \(path) cannot be read: \(lastSystemError())")
        }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw AdminDoorError("the admin token \(path) is no file")
        }
        guard status.st_mode & 0o077 == 0 else {
            let mode = String(status.st_mode & 0o777, radix: 8)
            throw AdminDoorError(
                "the admin token \(path) can be read by others (mode 0\(mode)): chmod 600 \(path)"
            )
        }
        var bytes = [UInt8](repeating: 0, count: AdminToken.bytesMax + 2)
        let count = readBytes(descriptor, &bytes, bytes.count)
        guard count >= 0 else {
            throw AdminDoorError("the admin token \(path) cannot be read: \(lastSystemError())")
        }
        let text = String(decoding: bytes.prefix(count), as: UTF8.self)
        return try AdminToken(text.trimmingCharacters(in: .whitespacesAndNewlines), from: path)
    }

    /// Makes the file with a new token, unless there is one.
    ///
    /// Written under another name and linked: nobody ever reads half of it, and of two that do so
    /// at once one wins.
    package static func create(_ path: String) throws(AdminDoorError) {
        guard access(path, F_OK) != 0 else { return }
        let draft = "\(path).new"
        unlink(draft)
        let descriptor = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw AdminDoorError("the admin token \(path) cannot be made: \(lastSystemError())")
        }
        let bytes = Array((AdminToken.random() + "\n").utf8)
        let isWritten = write(descriptor, bytes, bytes.count) == bytes.count
        let isDone = isWritten && fsync(descriptor) == 0 && link(draft, path) == 0
        let reason = lastSystemError()
        close(descriptor)
        unlink(draft)
        guard isDone || access(path, F_OK) == 0 else {
            throw AdminDoorError("the admin token \(path) cannot be made: \(reason)")
        }
    }
}

/// Why the door cannot be opened, in a sentence for the operator.
package struct AdminDoorError: Error, CustomStringConvertible, Sendable {
    package let description: String

    init(_ description: String) {
        self.description = description
    }
}

func lastSystemError() -> String {
    String(cString: strerror(errno))
}

/// `read(2)`, whose name is also that of the function above.
private func readBytes(_ descriptor: Int32, _ bytes: inout [UInt8], _ count: Int) -> Int {
    read(descriptor, &bytes, count)
}
