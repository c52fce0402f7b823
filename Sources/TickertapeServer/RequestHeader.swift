import NIOHTTP1
import TickertapeCore
import TickertapeWire

/// The fields of a request that the broker looks at, picked in one pass.
struct RequestHeader {
    private(set) var hostCount = 0
    /// It offers another protocol, which is ignored (RFC 9110 §7.8).
    private(set) var asksForUpgrade = false
    private(set) var contentLength: Int?
    private(set) var isChunked = false
    /// The body has a transfer coding besides `chunked`.
    private(set) var hasUnknownCoding = false
    private(set) var contentType: String?
    private(set) var contentEncoding: String?
    private(set) var expect: String?
    private(set) var idempotencyKey: String?
    private var idempotencyKeyCount = 0
    /// `If-Match` and `If-None-Match`, all fields of a name as one.
    private(set) var ifMatch: String?
    private(set) var ifNoneMatch: String?
    private(set) var lastEventID: String?
    private(set) var acceptsEventStream = false

    // Who asks, and from where.

    /// As it came, or as a proxy that is believed has told.
    var host: String?
    private(set) var origin: String?
    private(set) var originCount = 0
    private(set) var authorization: String?
    private(set) var authorizationCount = 0
    /// All fields as one (RFC 9113 §8.2.3).
    private(set) var cookie = ""
    /// `Sec-Fetch-Site` and `Sec-Fetch-Mode` (W3C Fetch Metadata).
    private(set) var fetchSite: String?
    private(set) var fetchMode: String?
    private(set) var isPreflight = false
    private(set) var forwarded: [String] = []
    private(set) var forwardedFor: [String] = []
    private(set) var forwardedProto: String?
    private(set) var forwardedHost: String?

    init(_ headers: HTTPHeaders) {
        // By length first: most fields are skipped without comparing a letter.
        for (name, value) in headers {
            switch name.utf8.count {
            case 4 where isSame(name, "host"):
                self.host = value
                self.hostCount += 1
            case 6 where isSame(name, "expect"): self.expect = value
            case 6 where isSame(name, "accept"):
                if value.split(separator: ",").contains(where: isEventStream) {
                    self.acceptsEventStream = true
                }
            case 6 where isSame(name, "origin"):
                self.origin = value
                self.originCount += 1
            case 6 where isSame(name, "cookie"):
                self.cookie += self.cookie.isEmpty ? value : "; " + value
            case 7 where isSame(name, "upgrade"): self.asksForUpgrade = true
            case 8 where isSame(name, "if-match"):
                self.ifMatch = self.ifMatch.map { $0 + "," + value } ?? value
            case 9 where isSame(name, "forwarded"): self.forwarded.append(value)
            case 12 where isSame(name, "content-type"): self.contentType = value
            case 13 where isSame(name, "if-none-match"):
                self.ifNoneMatch = self.ifNoneMatch.map { $0 + "," + value } ?? value
            case 13 where isSame(name, "last-event-id"): self.lastEventID = value
            case 13 where isSame(name, "authorization"):
                self.authorization = value
                self.authorizationCount += 1
            case 14 where isSame(name, "sec-fetch-site"): self.fetchSite = value
            case 14 where isSame(name, "sec-fetch-mode"): self.fetchMode = value
            case 15 where isSame(name, "x-forwarded-for"): self.forwardedFor.append(value)
            case 16 where isSame(name, "x-forwarded-host"): self.forwardedHost = value
            case 17 where isSame(name, "x-forwarded-proto"): self.forwardedProto = value
            case 29 where isSame(name, "access-control-request-method"): self.isPreflight = true
            case 14 where isSame(name, "content-length"):
                // The parser leaves the whitespace behind it (RFC 9110 §5.5).
                self.contentLength = Int(trimmed(value[...]))
            case 15 where isSame(name, "idempotency-key"):
                self.idempotencyKey = value
                self.idempotencyKeyCount += 1
            case 16 where isSame(name, "content-encoding"): self.contentEncoding = value
            case 17 where isSame(name, "transfer-encoding"):
                self.isChunked = true
                if !isSame(value, "chunked") { self.hasUnknownCoding = true }
            default: break
            }
        }
    }

    var hasBody: Bool { self.isChunked || (self.contentLength ?? 0) > 0 }

    /// What the body of a publish may not be, by its header alone.
    func checkPublish(_ limits: Limits) throws(Problem) {
        try self.checkHasBody()
        if let length = self.contentLength, length > limits.messageBytesMax {
            throw .messageTooLarge(limits)
        }
        try self.checkText()
        try self.checkOneIdempotencyKey(bytesMax: limits.idempotencyKeyBytesMax)
    }

    /// The same for many messages in one body.
    func checkStream(_ limits: Limits) throws(Problem) {
        try self.checkHasBody()
        try self.checkText()
        // The number of a message follows it.
        try self.checkOneIdempotencyKey(bytesMax: limits.idempotencyKeyBytesMax - 20)
        guard self.ifMatch == nil, self.ifNoneMatch == nil else {
            throw Problem(
                .invalidParameter,
                "messages of a stream have their conditions in their lines, as 'if_last_id'"
            )
        }
    }

    func checkBatch(_ limits: Limits) throws(Problem) {
        try self.checkStream(limits)
        if let length = self.contentLength, length > limits.atomicBytesMax {
            throw .batchTooLarge(limits)
        }
    }

    private func checkHasBody() throws(Problem) {
        guard self.isChunked || self.contentLength != nil else {
            throw Problem(
                .lengthRequired,
                "send Content-Length, or Transfer-Encoding: chunked"
            )
        }
    }

    private func checkText() throws(Problem) {
        if let encoding = self.contentEncoding, !isSame(encoding, "identity") {
            throw Problem(
                .unsupportedContentEncoding,
                "the payload is carried as it is; send it without Content-Encoding"
            )
        }
        try self.checkCharset()
    }

    /// `POST /events` takes JSON.
    func checkSubscribe(_ limits: Limits) throws(Problem) {
        try self.checkHasBody()
        if let length = self.contentLength, length > limits.subscribeBodyBytesMax {
            throw .bodyTooLarge(limits)
        }
        let type = self.contentType?.split(separator: ";").first.map(trimmed) ?? ""
        guard isSame(type, "application/json") else {
            throw Problem(.unsupportedMediaType, "send Content-Type: application/json")
        }
        try self.checkCharset()
    }

    private func checkCharset() throws(Problem) {
        guard let type = self.contentType, type.utf8.contains(UInt8(ascii: ";")) else { return }
        for parameter in type.split(separator: ";").dropFirst() {
            let pair = parameter.split(separator: "=", maxSplits: 1)
            guard pair.count == 2, isSame(trimmed(pair[0]), "charset") else { continue }
            let charset = trimmed(pair[1]).filter { $0 != "\"" }
            let taken: [StaticString] = ["utf-8", "utf8", "us-ascii", "ascii"]
            let isTaken = taken.contains { isSame(charset, $0) }
            guard isTaken else {
                throw Problem(
                    .unsupportedCharset,
                    "payloads are UTF-8, this one says '\(charset)'"
                )
            }
        }
    }

    private func checkOneIdempotencyKey(bytesMax: Int) throws(Problem) {
        guard let key = self.idempotencyKey else { return }
        guard self.idempotencyKeyCount == 1 else {
            throw Problem(.invalidParameter, "Idempotency-Key may be given once")
        }
        try checkIdempotencyKey(key, bytesMax: bytesMax)
    }
}

func checkIdempotencyKey(_ key: String, _ limits: Limits) throws(Problem) {
    try checkIdempotencyKey(key, bytesMax: limits.idempotencyKeyBytesMax)
}

private func checkIdempotencyKey(_ key: String, bytesMax: Int) throws(Problem) {
    let isPrintable = key.utf8.allSatisfy { (0x20...0x7E).contains($0) }
    guard (1...bytesMax).contains(key.utf8.count), isPrintable else {
        throw Problem(
            .invalidParameter,
            "an Idempotency-Key is 1 to \(bytesMax) printable ASCII characters"
        )
    }
}

extension Problem {
    static func messageTooLarge(_ limits: Limits) -> Problem {
        Problem(.messageTooLarge, "a message has at most \(limits.messageBytesMax) bytes")
    }

    static func batchTooLarge(_ limits: Limits) -> Problem {
        Problem(
            .batchTooLarge,
            """
            an atomic batch has at most \(limits.atomicMessagesMax) messages and \
            \(limits.atomicBytesMax) bytes
            """
        )
    }

    static func bodyTooLarge(_ limits: Limits) -> Problem {
        Problem(.bodyTooLarge, "the body has at most \(limits.subscribeBodyBytesMax) bytes")
    }
}

/// Whether two ASCII words are the same but for case.
func isSame(_ left: some StringProtocol, _ right: StaticString) -> Bool {
    guard left.utf8.count == right.utf8CodeUnitCount else { return false }
    var expected = right.utf8Start
    for byte in left.utf8 {
        let difference = byte ^ expected.pointee
        guard difference == 0 || (difference == 0x20 && isLetter(byte | 0x20)) else {
            return false
        }
        expected += 1
    }
    return true
}

private func isLetter(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
}

/// Whether one range of an `Accept` is `text/event-stream`.
private func isEventStream(_ range: Substring) -> Bool {
    let type = range.utf8.prefix { $0 != UInt8(ascii: ";") }
    return isSame(trimmed(Substring(type)), "text/event-stream")
}
