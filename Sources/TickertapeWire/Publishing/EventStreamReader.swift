package import NIOCore

/// Takes the messages out of an event stream (WHATWG HTML §9.2.6) that comes in pieces.
///
/// Pure. Events are asked for one by one. What is not UTF-8 is refused rather than replaced: text
/// is stored as it is or not at all.
package struct EventStreamReader: Sendable {
    package struct Event: Equatable, Sendable {
        /// Nothing when the stream does not name it; may be empty.
        package let name: String?
        package let data: String
    }

    package enum Failure: Error, Equatable {
        case tooLong
        case nameTooLong
        case notUTF8
    }

    private var bytes = ByteBuffer()
    /// Of these, how many were looked through without finding an end of a line.
    private var searchedBytes = 0
    private let lineBytesMax: Int
    private let dataBytesMax: Int
    /// Nothing has been read yet: a byte order mark may come.
    private var isAtStart = true
    /// The last line ended in a CR; an LF behind it belongs to its end.
    private var skipsLineFeed = false
    private var name: String?
    private var data: String?

    /// What is held besides lines and data; an event with a longer name is none that is taken.
    private static let nameBytesMax = 1_024
    private static let byteOrderMark: [UInt8] = [0xEF, 0xBB, 0xBF]

    /// - Parameters:
    ///   - lineBytesMax: Of one line, whatever it says.
    ///   - dataBytesMax: Of the data of one event.
    package init(lineBytesMax: Int, dataBytesMax: Int) {
        self.lineBytesMax = lineBytesMax
        self.dataBytesMax = dataBytesMax
    }

    package var heldBytes: Int { self.bytes.readableBytes + (self.data?.utf8.count ?? 0) }

    /// Whether an event has begun that was not closed by an empty line.
    package var isInsideEvent: Bool {
        if self.data != nil || self.name != nil { return true }
        let rest = self.bytes.readableBytesView.drop { byte in
            self.skipsLineFeed && byte == UInt8(ascii: "\n")
        }
        return rest.first.map { $0 != UInt8(ascii: ":") } ?? false
    }

    package mutating func append(_ piece: ByteBuffer) {
        guard self.bytes.readableBytes > 0 else {
            self.bytes = piece
            return
        }
        self.bytes.discardReadBytes()
        self.bytes.writeImmutableBuffer(piece)
    }

    /// The next event with data that is whole.
    package mutating func next() throws(Failure) -> Event? {
        guard self.skipByteOrderMark() else { return nil }
        while let line = try self.line() {
            guard line.readableBytes > 0 else {
                defer {
                    self.name = nil
                    self.data = nil
                }
                if let data = self.data { return Event(name: self.name, data: data) }
                continue
            }
            try self.take(line.readableBytesView)
        }
        return nil
    }

    /// - Returns: `false` when it is not known yet whether there is one.
    private mutating func skipByteOrderMark() -> Bool {
        guard self.isAtStart else { return true }
        let first = self.bytes.readableBytesView.prefix(Self.byteOrderMark.count)
        guard Self.byteOrderMark.starts(with: first) else {
            self.isAtStart = false
            return true
        }
        guard first.count == Self.byteOrderMark.count else { return false }
        self.bytes.moveReaderIndex(forwardBy: first.count)
        self.isAtStart = false
        return true
    }

    /// The next line that is whole, without its end: CR, LF or both.
    private mutating func line() throws(Failure) -> ByteBuffer? {
        if self.skipsLineFeed, let first = self.bytes.readableBytesView.first {
            self.skipsLineFeed = false
            if first == UInt8(ascii: "\n") { self.bytes.moveReaderIndex(forwardBy: 1) }
        }
        let searched = self.searchedBytes
        let end = self.bytes.withUnsafeReadableBytes { bytes in
            bytes[searched...].firstIndex { $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\r") }
        }
        guard let end else {
            self.searchedBytes = self.bytes.readableBytes
            guard self.searchedBytes <= self.lineBytesMax else { throw .tooLong }
            return nil
        }
        self.searchedBytes = 0
        guard end <= self.lineBytesMax else { throw .tooLong }
        let line = self.bytes.readSlice(length: end)
        self.skipsLineFeed = self.bytes.readInteger(as: UInt8.self) == UInt8(ascii: "\r")
        return line
    }

    private mutating func take(_ line: ByteBufferView) throws(Failure) {
        let colon = line.firstIndex(of: UInt8(ascii: ":")) ?? line.endIndex
        let field = line[..<colon]
        var value = line[colon...].dropFirst()
        if value.first == UInt8(ascii: " ") { value = value.dropFirst() }
        if field.elementsEqual("data".utf8) {
            let text = try self.text(value)
            guard self.data != nil else {
                self.data = text
                return try self.checkData()
            }
            // In place: an event may have very many lines.
            self.data?.append("\n")
            self.data?.append(text)
            try self.checkData()
        } else if field.elementsEqual("event".utf8) {
            guard value.count <= Self.nameBytesMax else { throw .nameTooLong }
            self.name = try self.text(value)
        }
    }

    private func checkData() throws(Failure) {
        guard self.data?.utf8.count ?? 0 <= self.dataBytesMax else { throw .tooLong }
    }

    private func text(_ bytes: ByteBufferView) throws(Failure) -> String {
        guard let text = String(validating: bytes, as: UTF8.self) else { throw .notUTF8 }
        return text
    }
}
