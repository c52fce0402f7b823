import NIOCore
import NIOHTTP1
import TickertapeCore
package import TickertapeLog
package import TickertapeWire

/// What a request got, before it is put into bytes.
struct Answered {
    let status: StaticString
    let type: StaticString
    /// Nothing when the client has it (RFC 9110 §15.4.5).
    let body: ByteBuffer?
    let fields: ResponseFields
    var caching: StaticString = "no-store"

    static func json(_ body: ByteBuffer) -> Answered {
        Answered(status: "200 OK", type: "application/json", body: body, fields: [])
    }

    /// The topic has ended, with this message.
    static func published(_ status: StaticString, lastID id: Int64, topic: TopicName) -> Answered {
        var body = ByteBufferAllocator().buffer(capacity: 96)
        body.writeJSON(lastID: id, topic: topic)
        let location = "/topics/\(percentEncodedPath(topic.text))/messages/\(id)"
        return Answered(
            status: status,
            type: "application/json",
            body: body,
            fields: [("Location", location)]
        )
    }

    /// The topic has ended, without a message.
    static func end(_ end: TopicEnd) -> Answered {
        var body = ByteBufferAllocator().buffer(capacity: 96)
        body.writePublisherEnd(end)
        return .json(body)
    }

    static func demo(_ page: DemoPage) -> Answered {
        Answered(
            status: "200 OK",
            type: page.type,
            body: ByteBuffer(bytes: page.content),
            fields: []
        )
    }

    /// Browsers keep it, and ask every time whether one of their `tags` is still its own.
    static func client(_ file: ClientFile, _ tags: String?) -> Answered {
        let (body, tag) = file.content
        let isKnown = tags.map { tagList($0, names: tag) } ?? false
        return Answered(
            status: isKnown ? "304 Not Modified" : "200 OK",
            type: file.type,
            body: isKnown ? nil : body,
            fields: [("ETag", tag)],
            caching: "no-cache"
        )
    }

    static func redirect(_ location: String) -> Answered {
        Answered(
            status: "308 Permanent Redirect",
            type: "text/plain",
            body: ByteBuffer(),
            fields: [("Location", location)]
        )
    }
}

extension Problem {
    static var draining: Problem {
        Problem(.draining, "the broker is stopping; try again", retryAfterSeconds: 1)
    }

    /// What health says; nobody asked to store anything.
    static var logNotWritable: Problem {
        Problem(
            .logUnavailable,
            "the last commit failed; publishes fail until the log can be written again",
            retryAfterSeconds: 1
        )
    }

    static func logUnavailable(_ reason: String) -> Problem {
        Problem(
            .logUnavailable,
            "\(reason); it may or may not have been stored, try again",
            retryAfterSeconds: 1
        )
    }

    static let idempotencyKeyReused = Problem(
        .idempotencyKeyReused,
        "this idempotency key came with other content before; use a new one"
    )

    /// Why a policy does not take a message.
    package init(_ refusal: PublishRefusal) {
        switch refusal {
        case .messageTooLarge(let bytes, let max, let pattern):
            self.init(
                .messageTooLarge,
                "the message has \(bytes) bytes; the policy for \(pattern) takes \(max) at most"
            )
        case .topicNotFound(let topic, let pattern):
            self.init(
                .topicNotFound,
                """
                there is no topic \(topic), and the policy for \(pattern) lets no publish create it
                """
            )
        }
    }

    static func queueFull(_ limits: Limits) -> Problem {
        Problem(
            .queueFull,
            "the log is not keeping up; try again",
            retryAfterSeconds: limits.publishRetrySeconds
        )
    }

    /// What the decoder found wrong with the bytes of a request.
    init(_ error: HTTPParserError, _ limits: Limits) {
        switch error {
        case .headerOverflow:
            self.init(
                .headersTooLarge,
                """
                a request head has at most \(limits.headBytesMax) bytes and \
                \(limits.headerFieldsMax) fields
                """
            )
        case .invalidVersion:
            self.init(.httpVersion, "HTTP/1.1 and HTTP/1.0 are served")
        default:
            self.init(.badRequest, "the request does not parse as HTTP/1.1: \(error)")
        }
    }

    init(_ error: LogError, _ server: LoopServer) {
        switch error {
        case .diskFull:
            self.init(
                .diskFull,
                "the disk of the log is full; nothing was stored",
                retryAfterSeconds: server.limits.publishRetrySeconds
            )
        case .unavailable: self = .logUnavailable("the log failed")
        case .closed: self = .draining
        }
    }
}
