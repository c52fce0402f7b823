/// One event of a stream.
struct EventBlock: Equatable, Sendable {
    var id: String?
    var event = "message"
    var data: [UInt8] = []
}

/// Takes an event stream apart (WHATWG HTML §9.2.6), as bytes: what is only passed on is never
/// made a string.
struct EventBlocks {
    /// A message of the largest kind, escaped in JSON.
    static let lineBytesMax = 512 * 1_048_576

    private var line: [UInt8] = []
    private var block = EventBlock()
    private var hasData = false
    private var isAfterReturn = false

    /// - Throws: When a line has no end.
    mutating func append(_ bytes: some Collection<UInt8>) throws -> [EventBlock] {
        var events: [EventBlock] = []
        var rest = bytes[...]
        while let first = rest.first {
            // The second half of a CRLF.
            if self.isAfterReturn, first == UInt8(ascii: "\n") { rest = rest.dropFirst() }
            self.isAfterReturn = false
            guard let end = rest.firstIndex(where: { $0 == 0x0A || $0 == 0x0D }) else {
                self.line += rest
                break
            }
            self.line += rest[..<end]
            self.isAfterReturn = rest[end] == 0x0D
            rest = rest[rest.index(after: end)...]
            if let event = self.endLine() { events.append(event) }
        }
        guard self.line.count <= Self.lineBytesMax else {
            throw CommandFailure("the broker sends a line that does not end")
        }
        return events
    }

    private mutating func endLine() -> EventBlock? {
        defer { self.line.removeAll(keepingCapacity: true) }
        guard !self.line.isEmpty else {
            defer {
                self.block = EventBlock()
                self.hasData = false
            }
            return self.hasData || self.block.id != nil ? self.block : nil
        }
        let colon = self.line.firstIndex(of: UInt8(ascii: ":")) ?? self.line.endIndex
        var value = self.line[colon...].dropFirst()
        if value.first == UInt8(ascii: " ") { value = value.dropFirst() }
        switch String(decoding: self.line[..<colon], as: UTF8.self) {
        case "id": self.block.id = String(decoding: value, as: UTF8.self)
        case "event": self.block.event = String(decoding: value, as: UTF8.self)
        case "data":
            if self.hasData { self.block.data.append(UInt8(ascii: "\n")) }
            self.block.data += value
            self.hasData = true
        default: break
        }
        return nil
    }
}
