import Foundation
package import NIOCore

extension WebSocketCommand.Decoded: Decodable {
    /// Takes any command, or says why it is none.
    package init(parsing buffer: ByteBuffer) {
        do {
            // RFC 8259 §8.1 has only UTF-8; the decoder would take a zero for UTF-16 or UTF-32.
            guard !buffer.readableBytesView.prefix(4).contains(0) else { throw Self.notAnObject }
            guard !buffer.hasValues(over: WebSocketCommand.valuesMax) else { throw Self.tooLong }
            let json = Data(buffer.readableBytesView)
            self = try JSONDecoder().decode(Self.self, from: json)
        } catch let problem as Problem {
            self.init(ref: nil, result: .failure(problem))
        } catch {
            self.init(ref: nil, result: .failure(Self.notAnObject))
        }
    }

    private static let tooLong = Problem(
        .invalidCommand,
        "a command has at most \(WebSocketCommand.valuesMax) values"
    )

    private static let notAnObject = Problem(.invalidCommand, "a command is a JSON object")

    package init(from decoder: any Decoder) throws {
        let fields = CommandFields(try decoder.container(keyedBy: AnyField.self))
        do throws(Problem) {
            self.ref = try fields.ref()
        } catch {
            self.ref = nil
            self.result = .failure(error)
            return
        }
        do throws(Problem) {
            self.result = .success(try WebSocketCommand(fields))
        } catch {
            self.result = .failure(error)
        }
    }
}

extension WebSocketCommand {
    fileprivate init(_ fields: CommandFields) throws(Problem) {
        let type = try fields.string("type")
        switch type {
        case "subscribe":
            try fields.allowOnly(["topics", "after", "tail", "subscription", "coalesce"], in: type)
            self = .subscribe(
                Subscribe(
                    topics: try fields.strings("topics"),
                    after: try fields.cursor("after"),
                    tail: try fields.optionalInteger("tail"),
                    subscription: try fields.optionalString("subscription"),
                    coalesce: try fields.optionalString("coalesce")
                )
            )
        case "unsubscribe":
            try fields.allowOnly(["subscription"], in: type)
            self = .unsubscribe(subscription: try fields.string("subscription"))
        case "publish":
            try fields.allowOnly(
                ["topic", "data", "event", "key", "idempotency_key", "end", "if_last_id"],
                in: type
            )
            self = .publish(
                Publish(
                    topic: try fields.string("topic"),
                    data: try fields.string("data"),
                    event: try fields.optionalString("event"),
                    key: try fields.optionalString("key"),
                    idempotencyKey: try fields.optionalString("idempotency_key"),
                    end: try fields.flag("end"),
                    ifLastID: try fields.optionalID("if_last_id")
                )
            )
        case "stop":
            try fields.allowOnly(["topic"], in: type)
            self = .stop(topic: try fields.string("topic"))
        case "auth":
            try fields.allowOnly(["token"], in: type)
            self = .auth(token: try fields.string("token"))
        case "ping":
            try fields.allowOnly([], in: type)
            self = .ping
        default:
            throw Problem(.unknownCommand, "there is no command '\(shortened(type))'")
        }
    }
}

/// The fields of a command; asking for one says what is wrong with it.
private struct CommandFields {
    private let container: KeyedDecodingContainer<AnyField>

    init(_ container: KeyedDecodingContainer<AnyField>) {
        self.container = container
    }

    /// Refuses a field that the command does not have: it may be one misspelled.
    func allowOnly(_ names: Set<String>, in type: String) throws(Problem) {
        let unknown = self.container.allKeys.lazy.map(\.stringValue).filter { name in
            !names.contains(name) && name != "type" && name != "ref"
        }
        // The first by name, since the decoder has no order.
        guard let name = unknown.min() else { return }
        throw Problem(.unknownParameter, "the command '\(type)' has no '\(shortened(name))'")
    }

    func ref() throws(Problem) -> WebSocketRef? {
        guard self.isPresent("ref") else { return nil }
        if let number = self.value(Int64.self, "ref") { return .number(number) }
        guard let text = self.value(String.self, "ref"), text.utf8.count <= WebSocketRef.bytesMax
        else {
            let bytesMax = WebSocketRef.bytesMax
            throw self.wrong("ref", "an integer or a string of at most \(bytesMax) bytes")
        }
        return .text(text)
    }

    func string(_ name: String) throws(Problem) -> String {
        guard self.isPresent(name) else { throw self.missing(name) }
        guard let text = self.value(String.self, name) else { throw self.wrong(name, "a string") }
        return text
    }

    func optionalString(_ name: String) throws(Problem) -> String? {
        self.isPresent(name) ? try self.string(name) : nil
    }

    func strings(_ name: String) throws(Problem) -> [String] {
        guard self.isPresent(name) else { throw self.missing(name) }
        guard let texts = self.value([String].self, name) else {
            throw self.wrong(name, "an array of strings")
        }
        return texts
    }

    func optionalInteger(_ name: String) throws(Problem) -> Int? {
        guard self.isPresent(name) else { return nil }
        guard let number = self.value(Int.self, name) else { throw self.wrong(name, "an integer") }
        return number
    }

    /// Not given is the same as false.
    func flag(_ name: String) throws(Problem) -> Bool {
        guard self.isPresent(name) else { return false }
        guard let flag = self.value(Bool.self, name) else {
            throw self.wrong(name, "true or false")
        }
        return flag
    }

    /// The id of a message, or 0.
    func optionalID(_ name: String) throws(Problem) -> Int64? {
        guard self.isPresent(name) else { return nil }
        guard let id = self.value(Int64.self, name), id >= 0 else {
            throw self.wrong(name, "the id of a message, or 0")
        }
        return id
    }

    func cursor(_ name: String) throws(Problem) -> String? {
        guard self.isPresent(name) else { return nil }
        if let text = self.value(String.self, name) { return text }
        guard let number = self.value(UInt64.self, name) else {
            throw self.wrong(name, "a whole number from 0, or a string")
        }
        // Ahead of every log, as the same digits in a string are.
        return String(Int64(clamping: number))
    }

    /// A field of `null` is as good as none.
    private func isPresent(_ name: String) -> Bool {
        (try? self.container.decodeNil(forKey: AnyField(stringValue: name))) == false
    }

    private func value<Value: Decodable>(_ type: Value.Type, _ name: String) -> Value? {
        try? self.container.decode(type, forKey: AnyField(stringValue: name))
    }

    private func missing(_ name: String) -> Problem {
        Problem(.invalidCommand, "the command has no '\(name)'")
    }

    private func wrong(_ name: String, _ expected: String) -> Problem {
        Problem(.invalidCommand, "'\(name)' must be \(expected)")
    }
}

/// A text of the client for a sentence: an answer must not be as long as the command.
package func shortened(_ text: String) -> Substring {
    text.prefix(utf8BytesMax: 64)
}

extension ByteBuffer {
    /// Whether there are more commas outside the texts of this JSON.
    ///
    /// The decoder spends hundreds of bytes and nanoseconds on each value: a command of six
    /// megabytes that consists of them would stop the loop for half a second.
    fileprivate func hasValues(over countMax: Int) -> Bool {
        self.withUnsafeReadableBytes { bytes in
            // A comma and a value take two bytes.
            guard bytes.count > 2 * countMax else { return false }
            var count = 0
            var isText = false
            var isEscaped = false
            for byte in bytes {
                if isEscaped {
                    isEscaped = false
                } else if isText {
                    isEscaped = byte == UInt8(ascii: "\\")
                    isText = byte != UInt8(ascii: "\"")
                } else if byte == UInt8(ascii: "\"") {
                    isText = true
                } else if byte == UInt8(ascii: ",") {
                    count += 1
                    if count > countMax { return true }
                }
            }
            return false
        }
    }
}
