package import NIOCore
package import TickertapeCore

/// The answers to commands; each echoes the `ref` of its command.
extension WebSocketMessage {
    /// - Parameters:
    ///   - subscription: Its name, given or numbered.
    ///   - head: The head of the log when it started; where a live one starts from.
    ///   - ref: Of the command.
    ///   - buffer: Takes the object.
    package static func writeSubscribed(
        _ subscription: String,
        head: Int64,
        ref: WebSocketRef?,
        into buffer: inout ByteBuffer
    ) {
        self.writeReplyStart("subscribed", ref, into: &buffer)
        buffer.writeStaticString(",\"subscription\":")
        buffer.writeJSON(string: subscription)
        buffer.writeStaticString(",\"head\":")
        buffer.writeDecimal(head)
        buffer.writeStaticString("}")
    }

    package static func writeUnsubscribed(
        _ subscription: String,
        ref: WebSocketRef?,
        into buffer: inout ByteBuffer
    ) {
        self.writeReplyStart("unsubscribed", ref, into: &buffer)
        buffer.writeStaticString(",\"subscription\":")
        buffer.writeJSON(string: subscription)
        buffer.writeStaticString("}")
    }

    /// - Parameters:
    ///   - id: Of the message, or of the first one with its idempotency key.
    ///   - topic: Of the message.
    ///   - isRepeated: Whether the idempotency key had been used before.
    ///   - hasEnded: Whether the topic has ended with it.
    ///   - ref: Of the command.
    ///   - buffer: Takes the object.
    package static func writePublished(
        _ id: Int64,
        topic: TopicName,
        isRepeated: Bool,
        hasEnded: Bool = false,
        ref: WebSocketRef?,
        into buffer: inout ByteBuffer
    ) {
        self.writeReplyStart("published", ref, into: &buffer)
        buffer.writeStaticString(",")
        buffer.writeJSONFields(publishedID: id, topic: topic)
        if isRepeated { buffer.writeStaticString(",\"repeated\":true") }
        if hasEnded { buffer.writeStaticString(",\"ended\":true") }
        buffer.writeStaticString("}")
    }

    /// The answer to a stop: how the topic has ended, now or before.
    package static func writeStopped(
        _ end: TopicEnd,
        ref: WebSocketRef?,
        into buffer: inout ByteBuffer
    ) {
        self.writeReplyStart("stopped", ref, into: &buffer)
        buffer.writeStaticString(",")
        buffer.writeJSONFields(of: end)
        buffer.writeStaticString("}")
    }

    package static func writePong(ref: WebSocketRef?, into buffer: inout ByteBuffer) {
        self.writeReplyStart("pong", ref, into: &buffer)
        buffer.writeStaticString("}")
    }

    package static func write(
        _ problem: Problem,
        ref: WebSocketRef?,
        subscription: String? = nil,
        into buffer: inout ByteBuffer
    ) {
        self.writeReplyStart("error", ref, into: &buffer)
        buffer.writeStaticString(",\"code\":")
        buffer.writeJSON(string: problem.code.rawValue)
        buffer.writeStaticString(",\"detail\":")
        buffer.writeJSON(string: problem.detail)
        if let subscription {
            buffer.writeStaticString(",\"subscription\":")
            buffer.writeJSON(string: subscription)
        }
        if let seconds = problem.retryAfterSeconds {
            buffer.writeStaticString(",\"retry_after_seconds\":")
            buffer.writeDecimal(Int64(seconds))
        }
        buffer.writeStaticString("}")
    }

    /// What a credential grants, and until when; `Int64.max` for always.
    package static func writeAuthorized(
        _ grant: Grant,
        expiresMilliseconds: Int64,
        ref: WebSocketRef?,
        into buffer: inout ByteBuffer
    ) {
        self.writeReplyStart("authorized", ref, into: &buffer)
        buffer.writeStaticString(",\"publish\":")
        self.write(grant.publish, into: &buffer)
        buffer.writeStaticString(",\"subscribe\":")
        self.write(grant.subscribe, into: &buffer)
        buffer.writeStaticString(",\"stop\":")
        self.write(grant.stop, into: &buffer)
        buffer.writeStaticString(",\"expires_at\":")
        if expiresMilliseconds == .max {
            buffer.writeStaticString("null")
        } else {
            buffer.writeJSON(string: rfc3339(milliseconds: expiresMilliseconds))
        }
        buffer.writeStaticString("}")
    }

    private static func write(_ patterns: [TopicPattern], into buffer: inout ByteBuffer) {
        buffer.writeStaticString("[")
        for (index, pattern) in patterns.enumerated() {
            if index > 0 { buffer.writeStaticString(",") }
            buffer.writeJSON(string: pattern.text)
        }
        buffer.writeStaticString("]")
    }

    /// What the credential grants ends in so many seconds: time for a fresh one.
    package static func writeExpiring(inSeconds seconds: Int, into buffer: inout ByteBuffer) {
        self.writeReplyStart("expiring", nil, into: &buffer)
        buffer.writeStaticString(",\"seconds\":")
        buffer.writeDecimal(Int64(seconds))
        buffer.writeStaticString("}")
    }

    private static func writeReplyStart(
        _ type: StaticString,
        _ ref: WebSocketRef?,
        into buffer: inout ByteBuffer
    ) {
        buffer.writeStaticString("{")
        if let ref {
            buffer.writeStaticString("\"ref\":")
            switch ref {
            case .text(let text): buffer.writeJSON(string: text)
            case .number(let number): buffer.writeDecimal(number)
            }
            buffer.writeStaticString(",")
        }
        buffer.writeStaticString("\"type\":\"")
        buffer.writeStaticString(type)
        buffer.writeStaticString("\"")
    }
}
