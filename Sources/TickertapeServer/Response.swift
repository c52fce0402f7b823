import NIOCore
import TickertapeCore
import TickertapeWire

/// The bytes of complete responses.
///
/// Written by hand instead of through an encoder: every answer leaves as one buffer.
struct Response {
    /// The value of `Date` (RFC 9110 §6.6.1), renewed every second.
    let date: String

    enum Connection {
        case keep
        case close
    }

    func published(
        _ status: StaticString,
        id: Int64,
        topic: TopicName,
        _ connection: Connection,
        into buffer: inout ByteBuffer
    ) {
        var body = ByteBufferAllocator().buffer(capacity: 64 + topic.text.utf8.count)
        body.writeJSON(publishedID: id, topic: topic)
        self.writeStart(status, "application/json", connection, into: &buffer)
        buffer.writeStaticString("Location: /topics/")
        buffer.writeString(percentEncodedPath(topic.text))
        buffer.writeStaticString("/messages/")
        buffer.writeDecimal(id)
        buffer.writeStaticString("\r\n")
        self.writeBody(body, isHead: false, into: &buffer)
    }

    func content(
        _ status: StaticString,
        type: StaticString,
        _ body: ByteBuffer,
        isHead: Bool,
        _ connection: Connection,
        fields: [(StaticString, String)] = []
    ) -> ByteBuffer {
        var buffer = ByteBufferAllocator().buffer(capacity: body.readableBytes + 320)
        self.writeStart(status, type, connection, into: &buffer)
        buffer.writeStaticString("Cache-Control: no-store\r\n")
        for (name, value) in fields {
            buffer.writeStaticString(name)
            buffer.writeStaticString(": ")
            buffer.writeString(value)
            buffer.writeStaticString("\r\n")
        }
        self.writeBody(body, isHead: isHead, into: &buffer)
        return buffer
    }

    func problem(_ problem: Problem, isHead: Bool, _ connection: Connection) -> ByteBuffer {
        var body = ByteBufferAllocator().buffer(capacity: 256)
        problem.write(into: &body)
        var fields: [(StaticString, String)] = []
        if let seconds = problem.retryAfterSeconds { fields.append(("Retry-After", "\(seconds)")) }
        if let allow = problem.allow { fields.append(("Allow", allow)) }
        return self.content(
            problem.code.statusLine,
            type: "application/problem+json",
            body,
            isHead: isHead,
            connection,
            fields: fields
        )
    }

    /// The head of an event stream; its body follows until the connection ends.
    func eventStreamHead(_ framing: StreamFraming) -> ByteBuffer {
        var buffer = ByteBufferAllocator().buffer(capacity: 256)
        buffer.writeStaticString("HTTP/1.1 200 OK\r\nDate: ")
        buffer.writeString(self.date)
        buffer.writeStaticString(
            """
            \r\nContent-Type: text/event-stream\r\nCache-Control: no-store, no-transform\r
            X-Accel-Buffering: no\r\n
            """
        )
        switch framing {
        case .chunked: buffer.writeStaticString("Transfer-Encoding: chunked\r\n\r\n")
        case .plain: buffer.writeStaticString("Connection: close\r\n\r\n")
        }
        return buffer
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

extension Problem.Code {
    /// Status code and reason phrase.
    var statusLine: StaticString {
        switch self.status {
        case 400: "400 Bad Request"
        case 404: "404 Not Found"
        case 405: "405 Method Not Allowed"
        case 408: "408 Request Timeout"
        case 409: "409 Conflict"
        case 411: "411 Length Required"
        case 413: "413 Content Too Large"
        case 414: "414 URI Too Long"
        case 415: "415 Unsupported Media Type"
        case 417: "417 Expectation Failed"
        case 422: "422 Unprocessable Content"
        case 426: "426 Upgrade Required"
        case 431: "431 Request Header Fields Too Large"
        case 503: "503 Service Unavailable"
        case 505: "505 HTTP Version Not Supported"
        case 507: "507 Insufficient Storage"
        default: preconditionFailure("status \(self.status) has no reason phrase")
        }
    }
}
