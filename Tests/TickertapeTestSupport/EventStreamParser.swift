/// A receiver of event streams, by WHATWG HTML §9.2.6; cut anywhere, fed piece by piece.
package struct EventStreamParser: Sendable {
    /// What a receiver makes of a stream; the words of the protocol.
    package enum Item: Hashable, Sendable {
        case retry(Int)
        case comment(String)
        /// A block with data.
        case message(id: String, event: String, data: String)
        /// A block without data that moves the cursor.
        case cursor(String)
        /// A line that means nothing to a receiver.
        case unknown(String)
    }

    private var unread: [UInt8] = []
    private var id = ""
    private var idIsNew = false
    private var event = ""
    private var data: [String] = []

    package init() {}

    /// Whether nothing of a block or a line is left over.
    package var isAtBlockEnd: Bool {
        self.unread.isEmpty && !self.idIsNew && self.event.isEmpty && self.data.isEmpty
    }

    package mutating func feed(_ bytes: some Sequence<UInt8>) -> [Item] {
        self.unread.append(contentsOf: bytes)
        var items: [Item] = []
        var start = 0
        var index = 0
        while index < self.unread.count {
            let byte = self.unread[index]
            guard byte == 0x0A || byte == 0x0D else {
                index += 1
                continue
            }
            let next = index + 1
            // Whether an LF belongs to this CR is not known yet.
            if byte == 0x0D, next == self.unread.count { break }
            let line = String(decoding: self.unread[start..<index], as: UTF8.self)
            items.append(contentsOf: self.take(line))
            index = byte == 0x0D && self.unread[next] == 0x0A ? next + 1 : next
            start = index
        }
        self.unread.removeFirst(start)
        return items
    }

    private mutating func take(_ line: String) -> [Item] {
        if line.utf8.isEmpty { return self.endBlock() }
        let bytes = Array(line.utf8)
        let colon = bytes.firstIndex(of: UInt8(ascii: ":")) ?? bytes.count
        let name = String(decoding: bytes[..<colon], as: UTF8.self)
        var value = bytes.dropFirst(colon + 1)
        if value.first == UInt8(ascii: " ") { value = value.dropFirst() }
        let text = String(decoding: value, as: UTF8.self)
        switch name {
        case "": return [.comment(text)]
        case "retry": return [Int(text).map(Item.retry) ?? .unknown(line)]
        case "id":
            self.id = text
            self.idIsNew = true
        case "event": self.event = text
        case "data": self.data.append(text)
        default: return [.unknown(line)]
        }
        return []
    }

    private mutating func endBlock() -> [Item] {
        defer {
            self.event = ""
            self.data = []
            self.idIsNew = false
        }
        guard self.data.isEmpty else {
            let data = self.data.joined(separator: "\n")
            return [.message(id: self.id, event: self.event, data: data)]
        }
        return self.idIsNew ? [.cursor(self.id)] : []
    }
}

/// What is wrong with chunked bytes.
package struct BadChunk: Error {
    package let place: Int
}

/// Undoes chunk framing (RFC 9112 §7.1) without extensions and trailers.
///
/// - Returns: The content, and whether the last chunk was there.
/// - Throws: Where the framing is broken.
package func dechunked(_ bytes: [UInt8]) throws -> (content: [UInt8], isEnded: Bool) {
    var content: [UInt8] = []
    var index = 0
    while index < bytes.count {
        guard let lineEnd = bytes[index...].firstIndex(of: 0x0D), lineEnd + 1 < bytes.count,
            bytes[lineEnd + 1] == 0x0A,
            let size = Int(String(decoding: bytes[index..<lineEnd], as: UTF8.self), radix: 16),
            size >= 0
        else { throw BadChunk(place: index) }
        let start = lineEnd + 2
        let end = start + size
        guard end + 2 <= bytes.count, bytes[end] == 0x0D, bytes[end + 1] == 0x0A else {
            throw BadChunk(place: start)
        }
        content.append(contentsOf: bytes[start..<end])
        index = end + 2
        if size == 0 {
            guard index == bytes.count else { throw BadChunk(place: index) }
            return (content, true)
        }
    }
    return (content, false)
}
