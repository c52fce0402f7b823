package import NIOCore
package import TickertapeCore

/// The JSON shapes of the HTTP API; the WebSocket messages share their fields.
extension ByteBuffer {
    /// `{"id","topic","time","event","key","data"}`; `event` and `key` only when set.
    package mutating func writeJSON(_ message: Message) {
        self.writeStaticString("{")
        self.writeJSONFields(of: message)
        self.writeStaticString("}")
    }

    /// The fields of a message without the braces, for objects that have others before them.
    mutating func writeJSONFields(of message: Message) {
        self.writeStaticString("\"id\":")
        self.writeDecimal(message.id)
        self.writeStaticString(",\"topic\":")
        self.writeJSON(string: message.topic.text)
        self.writeStaticString(",\"time\":\"")
        self.writeString(rfc3339(milliseconds: message.timeMilliseconds))
        self.writeStaticString("\"")
        if let event = message.event {
            self.writeStaticString(",\"event\":")
            self.writeJSON(string: event)
        }
        if let key = message.key {
            self.writeStaticString(",\"key\":")
            self.writeJSON(string: key)
        }
        self.writeStaticString(",\"data\":")
        self.writeJSON(string: message.data)
    }

    /// `{"messages":[…],"next":1043}`, with `"gap"` when messages after the cursor are gone, and
    /// `"end"` when nothing comes after them.
    package mutating func writeJSON(
        history messages: [Message],
        next: Int64,
        gap: Gap?,
        end: TopicEnd? = nil
    ) {
        self.writeStaticString("{\"messages\":[")
        for (index, message) in messages.enumerated() {
            if index > 0 { self.writeStaticString(",") }
            self.writeJSON(message)
        }
        self.writeStaticString("],\"next\":")
        self.writeDecimal(next)
        if let gap {
            self.writeStaticString(",\"gap\":")
            self.writeJSON(gap)
        }
        if let end {
            self.writeStaticString(",\"end\":{")
            self.writeJSONFields(of: end)
            if end.reason != .deleted {
                self.writeStaticString(",\"time\":\"")
                self.writeString(rfc3339(milliseconds: end.timeMilliseconds))
                self.writeStaticString("\"")
            }
            self.writeStaticString("}")
        }
        self.writeStaticString("}")
    }

    /// `{"after":41,"resumed":900,"reason":"retention"}`.
    package mutating func writeJSON(_ gap: Gap) {
        self.writeStaticString("{")
        self.writeJSONFields(of: gap)
        self.writeStaticString("}")
    }

    /// The fields of a gap without the braces.
    mutating func writeJSONFields(of gap: Gap) {
        self.writeStaticString("\"after\":")
        if let after = gap.after {
            self.writeDecimal(after)
        } else {
            self.writeStaticString("null")
        }
        self.writeStaticString(",\"resumed\":")
        self.writeDecimal(gap.resumed)
        self.writeStaticString(",\"reason\":")
        self.writeJSON(string: gap.reason.rawValue)
    }

    /// The answer to a publish: `{"id":1043,"topic":"stocks/AAPL"}`.
    package mutating func writeJSON(publishedID id: Int64, topic: TopicName) {
        self.writeStaticString("{")
        self.writeJSONFields(publishedID: id, topic: topic)
        self.writeStaticString("}")
    }

    /// The fields of the answer to a publish without the braces.
    mutating func writeJSONFields(publishedID id: Int64, topic: TopicName) {
        self.writeStaticString("\"id\":")
        self.writeDecimal(id)
        self.writeStaticString(",\"topic\":")
        self.writeJSON(string: topic.text)
    }

    /// The fields that tell of the end of a topic, without the braces.
    ///
    /// One that was deleted has no last message any more.
    package mutating func writeJSONFields(of end: TopicEnd) {
        self.writeStaticString("\"topic\":")
        self.writeJSON(string: end.topic.text)
        self.writeStaticString(",\"reason\":")
        self.writeJSON(string: end.reason.rawValue)
        guard end.reason != .deleted else { return }
        self.writeStaticString(",\"last_id\":")
        self.writeDecimal(end.lastID)
    }
}
