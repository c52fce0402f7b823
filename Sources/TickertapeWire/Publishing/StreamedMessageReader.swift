package import NIOCore

/// How the messages of a streaming publish are written.
package enum StreamedFormat: Sendable {
    /// `application/x-ndjson`: a JSON object a line.
    case lines
    /// `text/event-stream`: an event a message.
    case events
}

/// Takes the messages out of the body of a streaming publish that comes in pieces.
///
/// Pure. Messages are asked for one by one: who may take no more leaves the rest where it is.
package struct StreamedMessageReader: Sendable {
    private let format: StreamedFormat
    private var lines: LineReader
    private var events: EventStreamReader
    private let lineBytesMax: Int
    private let dataBytesMax: Int

    package init(_ format: StreamedFormat, lineBytesMax: Int, dataBytesMax: Int) {
        self.format = format
        self.lines = LineReader(bytesMax: lineBytesMax)
        self.events = EventStreamReader(lineBytesMax: lineBytesMax, dataBytesMax: dataBytesMax)
        self.lineBytesMax = lineBytesMax
        self.dataBytesMax = dataBytesMax
    }

    /// What was added and not taken yet.
    package var heldBytes: Int {
        switch self.format {
        case .lines: self.lines.heldBytes
        case .events: self.events.heldBytes
        }
    }

    package mutating func append(_ bytes: ByteBuffer) {
        switch self.format {
        case .lines: self.lines.append(bytes)
        case .events: self.events.append(bytes)
        }
    }

    /// The next message that is whole; blank lines, comments and events without data are none.
    ///
    /// - Throws: What is wrong with it. Nothing behind it can be read then.
    package mutating func next() throws(Problem) -> StreamedMessage? {
        switch self.format {
        case .events: return try self.nextEvent()
        case .lines:
            self.lines.skipBlanks()
            while let line = try self.nextLine() {
                if !isBlank(line) { return try StreamedMessage.decode(line) }
                self.lines.skipBlanks()
            }
            return nil
        }
    }

    /// The body has ended: the message that is left of it.
    ///
    /// - Throws: What is wrong with it, or that it is not whole.
    package mutating func last() throws(Problem) -> StreamedMessage? {
        switch self.format {
        case .events:
            guard self.events.isInsideEvent else { return nil }
            throw Problem(
                .incompleteEvent,
                "the body ends inside an event; the empty line that closes it is missing"
            )
        case .lines:
            guard let line = try self.lastLine(), !isBlank(line) else { return nil }
            return try StreamedMessage.decode(line)
        }
    }

    /// The next message of a body of which everything was added.
    package mutating func nextOrLast() throws(Problem) -> StreamedMessage? {
        if let message = try self.next() { return message }
        return try self.last()
    }

    private mutating func nextEvent() throws(Problem) -> StreamedMessage? {
        do throws(EventStreamReader.Failure) {
            return try self.events.next().map { StreamedMessage(event: $0.name, data: $0.data) }
        } catch {
            switch error {
            case .tooLong:
                throw Problem(
                    .messageTooLarge,
                    "the data of an event has at most \(self.dataBytesMax) bytes"
                )
            case .nameTooLong:
                throw Problem(.invalidParameter, "the name of the event is too long")
            case .notUTF8: throw Problem(.notUTF8, "an event stream is UTF-8, this event is not")
            }
        }
    }

    private mutating func nextLine() throws(Problem) -> ByteBuffer? {
        do throws(LineReader.Failure) {
            return try self.lines.next()
        } catch {
            throw self.tooLong
        }
    }

    private mutating func lastLine() throws(Problem) -> ByteBuffer? {
        do throws(LineReader.Failure) {
            return try self.lines.last()
        } catch {
            throw self.tooLong
        }
    }

    private var tooLong: Problem {
        Problem(.messageTooLarge, "a line has at most \(self.lineBytesMax) bytes")
    }
}

private func isBlank(_ line: ByteBuffer) -> Bool {
    line.readableBytesView.allSatisfy { [0x20, 0x09, 0x0D].contains($0) }
}
