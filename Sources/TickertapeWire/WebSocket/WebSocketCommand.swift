package import NIOCore

/// What a client names a command by, to know its answer; echoed as it came.
package enum WebSocketRef: Hashable, Sendable {
    case text(String)
    case number(Int64)

    /// A longer text is answered `invalid_command`: it is held until the answer.
    package static let bytesMax = 128
}

/// What a client asks for, as its JSON says it.
///
/// The texts are not yet checked: the rules for topics, patterns, events and keys are those of
/// HTTP and stand with them.
package enum WebSocketCommand: Equatable, Sendable {
    case subscribe(Subscribe)
    case unsubscribe(subscription: String)
    case publish(Publish)
    /// Ends a topic at the wish of a reader.
    case stop(topic: String)
    /// Shows a credential, the first or a fresh one.
    case auth(token: String)
    case ping

    /// More values in one command are answered `invalid_command`, without its `ref`.
    package static let valuesMax = 4_096

    package struct Subscribe: Equatable, Sendable {
        package var topics: [String]
        /// A number, or the digits of one in a string; any other string as it came.
        package var after: String?
        package var tail: Int?
        /// The name; the server numbers those without.
        package var subscription: String?
        /// What to join on replay, as it came.
        package var coalesce: String?

        package init(
            topics: [String],
            after: String? = nil,
            tail: Int? = nil,
            subscription: String? = nil,
            coalesce: String? = nil
        ) {
            self.topics = topics
            self.after = after
            self.tail = tail
            self.subscription = subscription
            self.coalesce = coalesce
        }
    }

    package struct Publish: Equatable, Sendable {
        package var topic: String
        package var data: String
        package var event: String?
        package var key: String?
        package var idempotencyKey: String?
        /// Whether the topic ends with it.
        package var end: Bool
        /// Stored only if this is the last id of the topic; 0 when it has had none.
        package var ifLastID: Int64?

        package init(
            topic: String,
            data: String,
            event: String? = nil,
            key: String? = nil,
            idempotencyKey: String? = nil,
            end: Bool = false,
            ifLastID: Int64? = nil
        ) {
            self.topic = topic
            self.data = data
            self.event = event
            self.key = key
            self.idempotencyKey = idempotencyKey
            self.end = end
            self.ifLastID = ifLastID
        }
    }

    /// A command, or why it is none; its `ref` could be read either way.
    package struct Decoded: Sendable {
        /// Nothing when there was none, or none that is valid.
        package let ref: WebSocketRef?
        package let result: Result<WebSocketCommand, Problem>
    }

    /// Decodes a text message.
    ///
    /// The problem is `invalid_command`, `unknown_command` or `unknown_parameter`, and says what
    /// to change.
    package static func decode(_ buffer: ByteBuffer) -> Decoded {
        Decoded(scanning: buffer) ?? Decoded(parsing: buffer)
    }
}
