import NIOCore

/// Takes a stream of bytes apart into lines, of which the last may not be there yet.
///
/// Pure. LF ends a line, and a CR before it belongs to the end.
struct LineSplitter {
    private var rest = ByteBuffer()
    private let bytesMax: Int

    enum Failure: Error, Equatable {
        case tooLong
        case notUTF8
    }

    /// - Parameter bytesMax: Of one line; never more than this and one piece are held.
    init(bytesMax: Int) {
        self.bytesMax = bytesMax
    }

    /// Takes what has come and passes on every line that is whole.
    mutating func take(
        _ bytes: ByteBuffer,
        _ line: (String) throws -> Void
    ) throws {
        var bytes = bytes
        while let newline = bytes.readableBytesView.firstIndex(of: UInt8(ascii: "\n")) {
            let count = newline - bytes.readerIndex
            if self.rest.readableBytes == 0 {
                try line(try self.text(of: bytes.readableBytesView.prefix(count)))
            } else {
                self.rest.writeImmutableBuffer(
                    bytes.getSlice(at: bytes.readerIndex, length: count) ?? ByteBuffer()
                )
                let text = try self.text(of: self.rest.readableBytesView[...])
                self.rest.clear()
                try line(text)
            }
            bytes.moveReaderIndex(forwardBy: count + 1)
        }
        self.rest.writeBuffer(&bytes)
        // The CR of an end of line may still be among them.
        guard self.rest.readableBytes <= self.bytesMax + 1 else { throw Failure.tooLong }
    }

    /// What stands behind the last end of line, unless there is nothing.
    mutating func takeLast() throws -> String? {
        guard self.rest.readableBytes > 0 else { return nil }
        defer { self.rest.clear() }
        return try self.text(of: self.rest.readableBytesView[...])
    }

    private func text(of bytes: ByteBufferView) throws(Failure) -> String {
        let bytes = bytes.last == UInt8(ascii: "\r") ? bytes.dropLast() : bytes
        guard bytes.count <= self.bytesMax else { throw .tooLong }
        guard let text = String(validating: bytes, as: UTF8.self) else { throw .notUTF8 }
        return text
    }
}
