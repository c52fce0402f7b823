package import NIOCore

/// One of the messages of a streaming publish or a batch, as the client says it.
///
/// The texts are not yet checked: the rules for topics, events and keys are those of other
/// publishes and stand with them.
package struct StreamedMessage: Equatable, Sendable {
    package var topic: String?
    package var event: String?
    package var key: String?
    package var data: String
    package var idempotencyKey: String?
    /// Whether the topic ends with it.
    package var endsTopic = false
    /// The id the last message of the topic must have; 0 when it must have had none.
    package var lastID: Int64?

    package init(
        topic: String? = nil,
        event: String? = nil,
        key: String? = nil,
        data: String,
        idempotencyKey: String? = nil,
        endsTopic: Bool = false,
        lastID: Int64? = nil
    ) {
        self.topic = topic
        self.event = event
        self.key = key
        self.data = data
        self.idempotencyKey = idempotencyKey
        self.endsTopic = endsTopic
        self.lastID = lastID
    }

    /// Decodes a line: `{"data":"…","event":"…","end":true}`.
    ///
    /// - Throws: `invalid_body`, `unknown_parameter` or `not_utf8`, and says what to change.
    package static func decode(_ line: ByteBuffer) throws(Problem) -> StreamedMessage {
        let result = line.withUnsafeReadableBytes { bytes -> Result<StreamedMessage, Problem> in
            do throws(Problem) {
                var decoder = LineDecoder(bytes: bytes)
                return .success(try decoder.decode())
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }
}

/// Reads the object of one line.
private struct LineDecoder {
    private let bytes: UnsafeRawBufferPointer
    private var json: JSONScanner
    private var message = StreamedMessage(data: "")
    private var names: Set<String> = []

    init(bytes: UnsafeRawBufferPointer) {
        self.bytes = bytes
        self.json = JSONScanner(bytes: bytes)
    }

    mutating func decode() throws(Problem) -> StreamedMessage {
        guard self.json.takes("{") else {
            throw self.unreadable("a line is a JSON object such as {\"data\":\"…\"}")
        }
        if !self.json.takes("}") {
            repeat { try self.takeMember() } while self.json.takes(",")
            guard self.json.takes("}") else { throw self.malformed }
        }
        guard self.json.isAtEnd else {
            throw Problem(.invalidBody, "a line has one JSON object and nothing behind it")
        }
        guard self.names.contains("data") else {
            throw Problem(.invalidBody, "the line has no 'data'")
        }
        return self.message
    }

    private mutating func takeMember() throws(Problem) {
        guard let name = self.json.text(), self.json.takes(":") else { throw self.malformed }
        guard self.names.insert(name).inserted else {
            throw Problem(.invalidBody, "the line has '\(shortened(name))' twice")
        }
        switch name {
        case "data":
            guard let data = try self.text(name) else { throw self.wrong(name, "a string") }
            self.message.data = data
        case "event": self.message.event = try self.text(name)
        case "key": self.message.key = try self.text(name)
        case "topic": self.message.topic = try self.text(name)
        case "idempotency_key": self.message.idempotencyKey = try self.text(name)
        case "end": self.message.endsTopic = try self.flag(name)
        case "if_last_id": self.message.lastID = try self.number(name)
        default:
            throw Problem(.unknownParameter, "a line has no member '\(shortened(name))'")
        }
    }

    /// A text; nothing for `null`, which is as good as none.
    private mutating func text(_ name: String) throws(Problem) -> String? {
        if self.json.takes(word: "null") { return nil }
        guard self.json.next == UInt8(ascii: "\"") else { throw self.wrong(name, "a string") }
        guard let text = self.json.text() else { throw self.malformed }
        return text
    }

    private mutating func flag(_ name: String) throws(Problem) -> Bool {
        if self.json.takes(word: "true") { return true }
        guard self.json.takes(word: "false") || self.json.takes(word: "null") else {
            throw self.wrong(name, "true or false")
        }
        return false
    }

    private mutating func number(_ name: String) throws(Problem) -> Int64? {
        if self.json.takes(word: "null") { return nil }
        let expected = "the id of a message, or 0"
        guard let number = self.json.number() else { throw self.wrong(name, expected) }
        let end = self.json.next
        guard end == UInt8(ascii: ",") || end == UInt8(ascii: "}") else {
            throw self.wrong(name, expected)
        }
        return number
    }

    private func wrong(_ name: String, _ expected: String) -> Problem {
        Problem(.invalidBody, "'\(name)' must be \(expected)")
    }

    private var malformed: Problem { self.unreadable("the line is not well-formed JSON") }

    /// What cannot be read may be no text at all.
    private func unreadable(_ sentence: String) -> Problem {
        guard String(validating: self.bytes, as: UTF8.self) != nil else {
            return Problem(.notUTF8, "JSON is UTF-8 text, this line is not")
        }
        return Problem(.invalidBody, sentence)
    }
}
