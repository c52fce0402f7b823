#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Whoever read our output has gone, as `| head` does: there is nothing left to do.
struct OutputClosed: Error {}

/// Standard output and standard error of a command.
///
/// Unbuffered, with whole lines in one write: what `tail` prints is there at once, and lines of
/// two processes do not mix within a line.
enum Output {
    static var isTerminal: Bool { isatty(STDOUT_FILENO) == 1 }
    static var isErrorTerminal: Bool { isatty(STDERR_FILENO) == 1 }
    static var isInputTerminal: Bool { isatty(STDIN_FILENO) == 1 }

    static var style: Style { .forOutput(isTerminal: Self.isTerminal) }
    static var errorStyle: Style { .forOutput(isTerminal: Self.isErrorTerminal) }

    /// The cells of a line on the terminal; `nil` where the output goes elsewhere.
    static var width: Int? { Self.isTerminal ? Self.size(of: STDOUT_FILENO).columns : nil }

    /// Columns and rows of a terminal; 80 by 24 where it does not say.
    static func size(of file: Int32) -> (columns: Int, rows: Int) {
        var size = winsize()
        guard ioctl(file, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 0 else {
            return (80, 24)
        }
        return (Int(size.ws_col), Int(size.ws_row))
    }

    /// - Throws: `OutputClosed`, or a failure such as a full disk.
    static func write(_ text: String) throws {
        var text = text
        try text.withUTF8 { try Self.write(UnsafeRawBufferPointer($0)) }
    }

    static func write(line: String) throws { try Self.write(line + "\n") }

    static func write(lines: [String]) throws {
        guard !lines.isEmpty else { return }
        try Self.write(lines.joined(separator: "\n") + "\n")
    }

    static func write(_ bytes: [UInt8]) throws {
        try bytes.withUnsafeBytes { try Self.write($0) }
    }

    private static func write(_ bytes: UnsafeRawBufferPointer) throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = put(STDOUT_FILENO, rest)
            if count >= 0 {
                rest = rest.dropFirst(count)
                continue
            }
            switch errno {
            case EINTR: continue
            case EAGAIN: Self.waitUntilWritable()
            case EPIPE: throw OutputClosed()
            default:
                let reason = String(cString: strerror(errno))
                throw CommandFailure("standard output cannot be written: \(reason)")
            }
        }
    }

    /// A sentence for people on standard error; where that is gone too, nobody reads it.
    static func tell(_ sentence: String) {
        Self.writeError("tickertape: \(sentence)\n")
    }

    static func writeError(_ text: String) {
        var text = text
        text.withUTF8 { bytes in
            var rest = UnsafeRawBufferPointer(bytes)[...]
            while !rest.isEmpty {
                let count = put(STDERR_FILENO, rest)
                if count < 0 {
                    guard errno == EINTR else { return }
                    continue
                }
                rest = rest.dropFirst(count)
            }
        }
    }

    private static func put(_ file: Int32, _ bytes: Slice<UnsafeRawBufferPointer>) -> Int {
        let part = UnsafeRawBufferPointer(rebasing: bytes)
        #if canImport(Glibc)
        return Glibc.write(file, part.baseAddress, part.count)
        #else
        return Musl.write(file, part.baseAddress, part.count)
        #endif
    }

    private static func waitUntilWritable() {
        var ready = pollfd(fd: STDOUT_FILENO, events: Int16(POLLOUT), revents: 0)
        _ = poll(&ready, 1, -1)
    }
}
