import HTTPTypes
import Hummingbird
import HummingbirdCore
import NIOCore
import TickertapeCore
import TickertapeWire

/// One request to a route, and the ways to take it apart.
struct AdminRequest: Sendable {
    let request: Request
    let parameters: Parameters
    /// What it came by.
    let channel: any Channel

    /// Larger bodies of JSON are answered 413.
    static let bodyBytesMax = 65_536

    /// A segment of the path, decoded: a name with its slashes as `%2F`.
    func segment(_ name: String) throws -> String {
        guard let text = self.parameters.get(name) else {
            preconditionFailure("the route has a segment {\(name)}")
        }
        do {
            return try percentDecoded(text, plusIsSpace: false)
        } catch {
            throw AdminProblem(error, in: "the path")
        }
    }

    func topic() throws -> TopicName { try checkedTopic(try self.segment("topic")) }

    /// The segment `{id}`, of something that is named so in a sentence.
    ///
    /// What is no id is not repeated: it may be a token.
    func id(of kind: String) throws -> Int64 {
        let text = try self.segment("id")
        let isDecimal = text.utf8.allSatisfy { (0x30...0x39).contains($0) }
        guard isDecimal, let number = Int64(text) else {
            throw AdminProblem(.invalidParameter, "the id of a \(kind) is a number, such as 7")
        }
        return number
    }

    func pattern() throws -> TopicPattern { try checkedPattern(try self.segment("pattern")) }

    /// The query, when it has only parameters of these names.
    func query(_ names: [String]) throws -> AdminQuery {
        try AdminQuery(self.request.uri.query ?? "", names: names)
    }

    /// The body as JSON.
    func json(upTo bytesMax: Int = Self.bodyBytesMax) async throws -> JSONValue {
        let type = self.request.headers[.contentType] ?? ""
        let name = type.prefix { $0 != ";" }.lowercased().filter { $0 != " " && $0 != "\t" }
        guard name == "application/json" else {
            throw AdminProblem(
                .unsupportedMediaType,
                type.isEmpty
                    ? "send Content-Type: application/json"
                    : "send Content-Type: application/json, not '\(shortened(type))'"
            )
        }
        let bytes = try await self.bytes(upTo: bytesMax, or: .bodyTooLarge)
        return try JSONValue(parsing: bytes)
    }

    /// The body, to be read now: a client that waits to be asked for it (RFC 9110 §10.1.1) is asked.
    func wantedBody() -> RequestBody {
        if self.request.headers[.expect] != nil {
            self.channel.triggerUserOutboundEvent(ConnectionRules.BodyWanted(), promise: nil)
        }
        return self.request.body
    }

    /// The whole body.
    func bytes(upTo bytesMax: Int, or code: Problem.Code) async throws -> ByteBuffer {
        let tooLarge = AdminProblem(code, "the body has at most \(bytesMax) bytes")
        let length = self.request.headers[.contentLength].flatMap { Int($0) }
        if let length, length > bytesMax { throw tooLarge }
        let bytes: ByteBuffer
        do {
            bytes = try await self.wantedBody().collect(upTo: bytesMax)
        } catch is NIOTooManyBytesError {
            throw tooLarge
        }
        // A connection that ends within the body is no end of the body.
        guard length == nil || length == bytes.readableBytes else {
            throw AdminProblem(.badRequest, "the body ended before its Content-Length")
        }
        return bytes
    }
}

/// The parameters of a query, checked one by one.
struct AdminQuery: Sendable {
    private let items: QueryItems

    /// - Throws: `unknown_parameter` for one that the route does not take.
    init(_ query: String, names: [String]) throws {
        do {
            self.items = try QueryItems(query)
        } catch {
            throw AdminProblem(error, in: "the query")
        }
        for item in self.items.items where !names.contains(item.name) {
            let known = names.map { "'\($0)'" }.joined(separator: ", ")
            throw AdminProblem(
                .unknownParameter,
                names.isEmpty
                    ? "this request takes no parameters, not '\(shortened(item.name))'"
                    : "this request takes \(known), not '\(shortened(item.name))'"
            )
        }
    }

    func all(_ name: String) -> [String] { self.items.all(name) }

    func text(_ name: String) throws -> String? {
        do {
            return try self.items.single(name)
        } catch {
            throw AdminProblem(error)
        }
    }

    func integer(_ name: String, in range: ClosedRange<Int64>) throws -> Int64? {
        guard let text = try self.text(name) else { return nil }
        let isDecimal = !text.isEmpty && text.utf8.allSatisfy { (0x30...0x39).contains($0) }
        guard isDecimal, let number = Int64(text), range.contains(number) else {
            throw AdminProblem(
                .invalidParameter,
                """
                '\(name)' is a whole number from \(range.lowerBound) to \(range.upperBound), \
                not '\(shortened(text))'
                """
            )
        }
        return number
    }

    func flag(_ name: String) throws -> Bool {
        switch try self.text(name) {
        case nil, "false": return false
        case "true": return true
        case .some(let text):
            throw AdminProblem(
                .invalidParameter,
                "'\(name)' is true or false, not '\(shortened(text))'"
            )
        }
    }

    func choice<Choice: RawRepresentable & CaseIterable>(
        _ name: String,
        of type: Choice.Type
    ) throws -> Choice? where Choice.RawValue == String {
        guard let text = try self.text(name) else { return nil }
        guard let choice = Choice(rawValue: text) else {
            let known = Choice.allCases.map(\.rawValue).joined(separator: ", ")
            throw AdminProblem(
                .invalidParameter,
                "'\(name)' is one of \(known), not '\(shortened(text))'"
            )
        }
        return choice
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    func time(_ name: String) throws -> Int64? {
        guard let text = try self.text(name) else { return nil }
        guard let milliseconds = millisecondsSince1970(rfc3339: text) else {
            throw AdminProblem(
                .invalidParameter,
                "'\(name)' is a time such as 2026-01-02T09:30:00Z, not '\(shortened(text))'"
            )
        }
        return milliseconds
    }

    func pattern(_ name: String) throws -> TopicPattern? {
        try self.text(name).map { try checkedPattern($0) }
    }

    /// The patterns of a filter, at least one.
    func filter(_ name: String, max: Int) throws -> TopicFilter {
        let texts = self.all(name)
        guard !texts.isEmpty else {
            throw AdminProblem(.invalidParameter, "give at least one '\(name)'")
        }
        guard texts.count <= max else {
            throw AdminProblem(.tooManyTopics, "'\(name)' may be given \(max) times")
        }
        return TopicFilter(try texts.map { try checkedPattern($0) })
    }
}

func checkedTopic(_ text: String) throws -> TopicName {
    do {
        return try TopicName(text)
    } catch {
        throw AdminProblem(.invalidTopic, error.sentence)
    }
}

func checkedPattern(_ text: String) throws -> TopicPattern {
    do {
        return try TopicPattern(text)
    } catch {
        throw AdminProblem(.invalidPattern, error.sentence)
    }
}

extension AdminProblem {
    init(_ error: PercentCodingError, in place: String) {
        switch error {
        case .badEscape:
            self.init(
                .badPercentEncoding,
                "in \(place) a '%' is not followed by two hexadecimal digits"
            )
        case .notUTF8:
            self.init(.invalidParameter, "\(place) is not UTF-8 once decoded")
        }
    }
}

extension Response {
    static func json(_ status: HTTPResponse.Status = .ok, _ writer: JSONWriter) -> Response {
        .json(status, writer.buffer)
    }

    static func json(_ status: HTTPResponse.Status = .ok, _ body: ByteBuffer) -> Response {
        Response(
            status: status,
            headers: [.contentType: "application/json"],
            body: .init(byteBuffer: body)
        )
    }

    static var noContent: Response { Response(status: .noContent) }
}
