import HTTPTypes
import Hummingbird
import NIOCore
import TickertapeCore
import TickertapeLog
import TickertapeServer
import TickertapeWire

/// Publishing: one message, or one a line.
extension RouteTable {
    mutating func addPublishing(_ backend: AdminBackend) {
        self.add(.post, "/v1/topics/{topic}/messages") { request in
            let query = try request.query(["event", "key", "lines", "end"])
            let topic = try request.topic()
            let event = try eventName(try query.text("event"), backend.limits)
            let key = try messageKey(try query.text("key"), backend.limits)
            let ends = try query.flag("end")
            try checkBody(request.request.headers)
            guard !backend.isDraining() else { throw AdminProblem(.closed) }
            if try query.flag("lines") {
                guard request.request.headers[.idempotencyKey] == nil else {
                    throw AdminProblem(
                        .invalidParameter,
                        "an Idempotency-Key is for one message, not for lines"
                    )
                }
                let publisher = LinePublisher(
                    topic: topic,
                    event: event,
                    key: key,
                    ends: ends,
                    log: backend.log,
                    limits: backend.limits,
                    isDraining: backend.isDraining
                )
                let place = try StreamPlace(backend.streams)
                defer { place.giveBack() }
                return .json(.ok, try await publisher.publish(request.wantedBody()).json)
            }
            let message = (topic: topic, event: event, key: key, ends: ends)
            return try await publishOne(request, message, backend)
        }
    }
}

private func publishOne(
    _ request: AdminRequest,
    _ message: (topic: TopicName, event: String?, key: String?, ends: Bool),
    _ backend: AdminBackend
) async throws -> Response {
    let idempotencyKey = try checkedKey(request.request.headers, backend.limits)
    let bytes = try await request.bytes(
        upTo: backend.limits.messageBytesMax,
        or: .messageTooLarge
    )
    guard let data = String(validating: bytes.readableBytesView, as: UTF8.self) else {
        throw AdminProblem(.notUTF8, "a payload is UTF-8 text, this one is not")
    }
    let draft = Draft(
        topic: message.topic,
        event: message.event,
        key: message.key,
        data: data,
        idempotencyKey: idempotencyKey,
        end: message.ends ? .withMessage : .none
    )
    guard backend.log.admit(draft) else { throw AdminProblem.queueFull }
    let results = await withCheckedContinuation { continuation in
        backend.log.append([draft]) { continuation.resume(returning: $0) }
    }
    guard let result = results.first else { preconditionFailure("every draft has its result") }
    let (id, isNew) = try result.stored()
    var writer = JSONWriter()
    writer.object { writer in
        writer.field("id", id)
        writer.field("topic", message.topic.text)
        if message.ends { writer.field("ended", true) }
    }
    return .json(isNew ? .created : .ok, writer)
}

extension AdminProblem {
    static let queueFull = AdminProblem(
        Problem(.queueFull, "too many messages wait to be written", retryAfterSeconds: 1)
    )
}

extension AppendResult {
    /// - Throws: Why the message was not stored.
    func stored() throws -> (id: Int64, isNew: Bool) {
        switch self {
        case .stored(let id): return (id, true)
        case .alreadyStored(let id): return (id, false)
        case .idempotencyKeyReused:
            throw AdminProblem(
                .idempotencyKeyReused,
                "this idempotency key came with other content before; use a new one"
            )
        case .refused(let refusal): throw AdminProblem(Problem(refusal))
        case .topicEnded(let end): throw AdminProblem(Problem(end))
        case .skipped: throw AdminProblem(.notStored, "a message before it was not stored")
        case .ended: preconditionFailure("a message that is stored has an id")
        case .conditionFailed: preconditionFailure("messages of the door have no condition")
        case .failed(let error): throw AdminProblem(error)
        }
    }
}

extension HTTPField.Name {
    static var idempotencyKey: Self {
        guard let name = Self("Idempotency-Key") else {
            preconditionFailure("this is the name of a field")
        }
        return name
    }
}

/// What the body of a publish may not be, by its header alone; as on the public port.
private func checkBody(_ headers: HTTPFields) throws {
    if let encoding = headers[.contentEncoding], encoding.lowercased() != "identity" {
        throw AdminProblem(
            .unsupportedContentEncoding,
            "the payload is carried as it is; send it without Content-Encoding"
        )
    }
    for parameter in (headers[.contentType] ?? "").split(separator: ";").dropFirst() {
        let pair = parameter.split(separator: "=", maxSplits: 1)
        guard pair.count == 2, pair[0].lowercased().filter({ $0 != " " }) == "charset" else {
            continue
        }
        let charset = pair[1].lowercased().filter { $0 != "\"" && $0 != " " }
        guard ["utf-8", "utf8", "us-ascii", "ascii"].contains(charset) else {
            throw AdminProblem(
                .unsupportedCharset,
                "payloads are UTF-8, this one says '\(shortened(charset))'"
            )
        }
    }
}

private func eventName(_ event: String?, _ limits: Limits) throws -> String? {
    guard let event, !event.isEmpty else { return nil }
    guard event.utf8.count <= limits.eventBytesMax else {
        throw AdminProblem(.invalidParameter, "'event' has at most \(limits.eventBytesMax) bytes")
    }
    guard !event.utf8.starts(with: "tickertape.".utf8) else {
        throw AdminProblem(.invalidParameter, "events named 'tickertape.…' are the broker's own")
    }
    guard !event.unicodeScalars.contains(where: \.isControl) else {
        throw AdminProblem(.invalidParameter, "'event' must not have control characters")
    }
    return event
}

private func messageKey(_ key: String?, _ limits: Limits) throws -> String? {
    guard let key, !key.isEmpty else { return nil }
    guard key.utf8.count <= limits.keyBytesMax else {
        throw AdminProblem(.invalidParameter, "'key' has at most \(limits.keyBytesMax) bytes")
    }
    return key
}

private func checkedKey(_ headers: HTTPFields, _ limits: Limits) throws -> String? {
    let keys = headers[values: .idempotencyKey]
    guard let key = keys.first else { return nil }
    let isPrintable = key.utf8.allSatisfy { (0x20...0x7E).contains($0) }
    let range = 1...limits.idempotencyKeyBytesMax
    guard keys.count == 1, isPrintable, range.contains(key.utf8.count) else {
        throw AdminProblem(
            .invalidParameter,
            """
            give one Idempotency-Key of 1 to \(limits.idempotencyKeyBytesMax) printable ASCII \
            characters
            """
        )
    }
    return key
}
