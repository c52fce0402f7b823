import NIOCore
import TickertapeCore
import TickertapeWire

/// The bytes of complete responses.
///
/// Written by hand instead of through an encoder: every answer leaves as one buffer.
struct Response {
    /// The value of `Date` (RFC 9110 §6.6.1), renewed every second.
    let date: String

    /// Those of the topics published to since.
    private var receipts: [TopicName: Receipt] = [:]
    private static let receiptsMax = 1_024

    init(date: String) {
        self.date = date
    }

    enum Connection {
        case keep
        case close
    }

    /// What comes piece by piece after its head.
    enum StreamedType: String {
        case events = "text/event-stream"
        /// The answer to a streaming publish.
        case lines = "application/x-ndjson"
    }

    /// Appends the answer to a publish.
    mutating func published(
        _ status: StaticString,
        id: Int64,
        topic: TopicName,
        _ connection: Connection,
        fields: ResponseFields,
        into buffer: inout ByteBuffer
    ) {
        self.writeStart(status, "application/json", connection, into: &buffer)
        Self.write(fields, into: &buffer)
        self.receipt(of: topic).write(id: id, into: &buffer)
    }

    private mutating func receipt(of topic: TopicName) -> Receipt {
        if let known = self.receipts[topic] { return known }
        if self.receipts.count == Self.receiptsMax { self.receipts.removeAll() }
        let made = Receipt(topic: topic)
        self.receipts[topic] = made
        return made
    }

    func content(
        _ status: StaticString,
        type: StaticString,
        _ body: ByteBuffer,
        isHead: Bool,
        _ connection: Connection,
        fields: ResponseFields,
        caching: StaticString = "no-store"
    ) -> ByteBuffer {
        var buffer = ByteBufferAllocator().buffer(capacity: body.readableBytes + 320)
        self.writeStart(status, type, connection, into: &buffer)
        buffer.writeStaticString("Cache-Control: ")
        buffer.writeStaticString(caching)
        buffer.writeStaticString("\r\n")
        Self.write(fields, into: &buffer)
        self.writeBody(body, isHead: isHead, into: &buffer)
        return buffer
    }

    /// An answer without a body (RFC 9110 §15.3.5, §15.4.5).
    func noContent(
        status: StaticString = "204 No Content",
        _ connection: Connection,
        fields: ResponseFields,
        caching: StaticString = "no-store"
    ) -> ByteBuffer {
        var buffer = ByteBufferAllocator().buffer(capacity: 160)
        buffer.writeStaticString("HTTP/1.1 ")
        buffer.writeStaticString(status)
        buffer.writeStaticString("\r\nDate: ")
        buffer.writeString(self.date)
        buffer.writeStaticString("\r\nCache-Control: ")
        buffer.writeStaticString(caching)
        buffer.writeStaticString("\r\n")
        Self.write(fields, into: &buffer)
        switch connection {
        case .keep: break
        case .close: buffer.writeStaticString("Connection: close\r\n")
        }
        buffer.writeStaticString("\r\n")
        return buffer
    }

    func problem(
        _ problem: Problem,
        isHead: Bool,
        _ connection: Connection,
        fields: ResponseFields
    ) -> ByteBuffer {
        let (body, more) = Self.content(of: problem)
        var fields = fields + more
        var connection = connection
        switch problem.code {
        case .upgradeRequired:
            let tokens = connection == .close ? "Upgrade, close" : "Upgrade"
            fields += [("Upgrade", "websocket"), ("Connection", tokens)]
            connection = .keep
        default: break
        }
        return self.content(
            problem.code.statusLine,
            type: "application/problem+json",
            body,
            isHead: isHead,
            connection,
            fields: fields
        )
    }

    /// The body of a problem, and the fields that say more about it.
    static func content(of problem: Problem) -> (ByteBuffer, ResponseFields) {
        var body = ByteBufferAllocator().buffer(capacity: 256)
        problem.write(into: &body)
        var fields: ResponseFields = []
        if let seconds = problem.retryAfterSeconds { fields.append(("Retry-After", "\(seconds)")) }
        if let allow = problem.allow { fields.append(("Allow", allow)) }
        let challenge = "Bearer realm=\"tickertape\""
        if problem.code == .unauthorized { fields.append(("WWW-Authenticate", challenge)) }
        if problem.code == .invalidToken {
            fields.append(("WWW-Authenticate", challenge + ", error=\"invalid_token\""))
        }
        if let lastID = problem.lastID { fields.append(("ETag", "\"\(lastID)\"")) }
        if problem.code == .webSocketVersion { fields.append(("Sec-WebSocket-Version", "13")) }
        return (body, fields)
    }

    /// The end of HTTP on a connection that becomes a WebSocket (RFC 6455 §4.2.2).
    func webSocketHead(_ offer: WebSocketOffer, fields: ResponseFields) -> ByteBuffer {
        var buffer = ByteBufferAllocator().buffer(capacity: 512)
        buffer.writeStaticString(
            """
            HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r
            Sec-WebSocket-Accept:\u{20}
            """
        )
        buffer.writeString(offer.acceptKey)
        if let subprotocol = offer.subprotocol {
            buffer.writeStaticString("\r\nSec-WebSocket-Protocol: ")
            buffer.writeString(subprotocol)
        }
        if let compression = offer.compression {
            buffer.writeStaticString("\r\nSec-WebSocket-Extensions: ")
            buffer.writeString(compression.responseField)
        }
        buffer.writeStaticString("\r\n")
        Self.write(fields, into: &buffer)
        buffer.writeStaticString("\r\n")
        return buffer
    }

    /// The head of an answer whose body follows piece by piece.
    func streamedHead(
        _ type: StreamedType,
        _ framing: StreamFraming,
        _ connection: Connection,
        fields: ResponseFields
    ) -> ByteBuffer {
        var buffer = ByteBufferAllocator().buffer(capacity: 256)
        buffer.writeStaticString("HTTP/1.1 200 OK\r\nDate: ")
        buffer.writeString(self.date)
        buffer.writeStaticString("\r\nContent-Type: ")
        buffer.writeString(type.rawValue)
        buffer.writeStaticString(
            "\r\nCache-Control: no-store, no-transform\r\nX-Accel-Buffering: no\r\n"
        )
        Self.write(fields, into: &buffer)
        switch connection {
        case .keep: break
        case .close: buffer.writeStaticString("Connection: close\r\n")
        }
        switch framing {
        case .chunked: buffer.writeStaticString("Transfer-Encoding: chunked\r\n\r\n")
        case .plain: buffer.writeStaticString("\r\n")
        }
        return buffer
    }

    static func write(_ fields: ResponseFields, into buffer: inout ByteBuffer) {
        for (name, value) in fields {
            buffer.writeStaticString(name)
            buffer.writeStaticString(": ")
            buffer.writeString(value)
            buffer.writeStaticString("\r\n")
        }
    }

    private func writeStart(
        _ status: StaticString,
        _ type: StaticString,
        _ connection: Connection,
        into buffer: inout ByteBuffer
    ) {
        buffer.writeStaticString("HTTP/1.1 ")
        buffer.writeStaticString(status)
        buffer.writeStaticString("\r\nDate: ")
        buffer.writeString(self.date)
        buffer.writeStaticString("\r\nContent-Type: ")
        buffer.writeStaticString(type)
        buffer.writeStaticString("\r\n")
        switch connection {
        case .keep: break
        case .close: buffer.writeStaticString("Connection: close\r\n")
        }
    }

    private func writeBody(_ body: ByteBuffer, isHead: Bool, into buffer: inout ByteBuffer) {
        buffer.writeStaticString("Content-Length: ")
        buffer.writeDecimal(Int64(body.readableBytes))
        buffer.writeStaticString("\r\n\r\n")
        if !isHead { buffer.writeImmutableBuffer(body) }
    }
}

/// What the answers to all publishes to one topic have in common.
private struct Receipt {
    private let location: ByteBuffer
    private let bodyEnd: ByteBuffer

    init(topic: TopicName) {
        self.location = ByteBuffer(
            string: "Location: /topics/\(percentEncodedPath(topic.text))/messages/"
        )
        var whole = ByteBuffer()
        whole.writeJSON(publishedID: 0, topic: topic)
        whole.moveReaderIndex(forwardBy: Self.bodyStart.utf8CodeUnitCount + 1)
        self.bodyEnd = whole
    }

    /// Writes the last field, the length and the body: `{"id":1043,"topic":"stocks/AAPL"}`.
    func write(id: Int64, into buffer: inout ByteBuffer) {
        buffer.writeImmutableBuffer(self.location)
        let before = buffer.writerIndex
        buffer.writeDecimal(id)
        let digits = buffer.writerIndex - before
        buffer.writeStaticString("\r\nContent-Length: ")
        buffer.writeDecimal(
            Int64(Self.bodyStart.utf8CodeUnitCount + digits + self.bodyEnd.readableBytes)
        )
        buffer.writeStaticString("\r\n\r\n")
        buffer.writeStaticString(Self.bodyStart)
        buffer.writeDecimal(id)
        buffer.writeImmutableBuffer(self.bodyEnd)
    }

    private static let bodyStart: StaticString = "{\"id\":"
}

extension Problem.Code {
    /// Status code and reason phrase.
    var statusLine: StaticString {
        switch self.status {
        case 400: "400 Bad Request"
        case 401: "401 Unauthorized"
        case 403: "403 Forbidden"
        case 404: "404 Not Found"
        case 405: "405 Method Not Allowed"
        case 408: "408 Request Timeout"
        case 409: "409 Conflict"
        case 410: "410 Gone"
        case 411: "411 Length Required"
        case 412: "412 Precondition Failed"
        case 413: "413 Content Too Large"
        case 414: "414 URI Too Long"
        case 415: "415 Unsupported Media Type"
        case 417: "417 Expectation Failed"
        case 422: "422 Unprocessable Content"
        case 426: "426 Upgrade Required"
        case 429: "429 Too Many Requests"
        case 431: "431 Request Header Fields Too Large"
        case 503: "503 Service Unavailable"
        case 505: "505 HTTP Version Not Supported"
        case 507: "507 Insufficient Storage"
        default: preconditionFailure("status \(self.status) has no reason phrase")
        }
    }
}
