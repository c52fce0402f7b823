package import NIOCore

/// Takes a stream of bytes apart into lines, of which the last may not be there yet.
///
/// Pure. LF ends a line, and a CR before it belongs to the end. Lines are asked for one by one: who
/// has enough of them leaves the rest where it is.
package struct LineReader: Sendable {
    private var bytes = ByteBuffer()
    /// Of these, how many were looked through without finding an end.
    private var searchedBytes = 0
    private let bytesMax: Int

    package enum Failure: Error, Equatable {
        case tooLong
        case notUTF8
    }

    /// - Parameter bytesMax: Of one line; never more than this and what was added last are held.
    package init(bytesMax: Int) {
        self.bytesMax = bytesMax
    }

    package var heldBytes: Int { self.bytes.readableBytes }

    package mutating func append(_ piece: ByteBuffer) {
        guard self.bytes.readableBytes > 0 else {
            self.bytes = piece
            return
        }
        self.bytes.discardReadBytes()
        self.bytes.writeImmutableBuffer(piece)
    }

    /// Drops what is there of blank lines, and the spaces before the next: there may be millions.
    package mutating func skipBlanks() {
        let count = self.bytes.withUnsafeReadableBytes { bytes in
            bytes.firstIndex { $0 > 0x20 || ![0x20, 0x09, 0x0A, 0x0D].contains($0) } ?? bytes.count
        }
        self.bytes.moveReaderIndex(forwardBy: count)
        self.searchedBytes = max(0, self.searchedBytes - count)
    }

    /// The next line that is whole, without its end.
    package mutating func next() throws(Failure) -> ByteBuffer? {
        let unsearched = self.bytes.readableBytesView.dropFirst(self.searchedBytes)
        guard let newline = unsearched.firstIndex(of: UInt8(ascii: "\n")) else {
            self.searchedBytes = self.bytes.readableBytes
            // The CR of an end of line may still be among them.
            guard self.searchedBytes <= self.bytesMax + 1 else { throw .tooLong }
            return nil
        }
        let count = newline - self.bytes.readerIndex
        let line = self.bytes.readSlice(length: count) ?? ByteBuffer()
        self.bytes.moveReaderIndex(forwardBy: 1)
        self.searchedBytes = 0
        return try self.checked(line)
    }

    /// What stands behind the last end of line, unless there is nothing.
    package mutating func last() throws(Failure) -> ByteBuffer? {
        guard self.bytes.readableBytes > 0 else { return nil }
        let line = self.bytes
        self.bytes = ByteBuffer()
        self.searchedBytes = 0
        return try self.checked(line)
    }

    private func checked(_ line: ByteBuffer) throws(Failure) -> ByteBuffer {
        var line = line
        if line.readableBytesView.last == UInt8(ascii: "\r") {
            line.moveWriterIndex(to: line.writerIndex - 1)
        }
        guard line.readableBytes <= self.bytesMax else { throw .tooLong }
        return line
    }
}

extension LineReader {
    /// The next line that is whole, as text.
    package mutating func nextText() throws(Failure) -> String? {
        try self.next().map(Self.text)
    }

    /// What stands behind the last end of line, as text.
    package mutating func lastText() throws(Failure) -> String? {
        try self.last().map(Self.text)
    }

    private static func text(of line: ByteBuffer) throws(Failure) -> String {
        guard let text = String(validating: line.readableBytesView, as: UTF8.self) else {
            throw .notUTF8
        }
        return text
    }
}
