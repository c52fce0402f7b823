package import NIOCore
package import TickertapeCore

/// The text messages of the server under `tickertape.v1`, each one JSON object.
package enum WebSocketMessage {
    /// The first message of a connection: what it can count on.
    package struct Hello: Sendable {
        package var head: Int64
        package var heartbeatSeconds: Double
        package var messageBytesMax: Int
        package var commandBytesMax: Int
        package var topicsMax: Int
        package var tailMax: Int
        package var subscriptionsMax: Int
        package var unansweredPublishesMax: Int

        package init(
            head: Int64,
            heartbeatSeconds: Double,
            messageBytesMax: Int,
            commandBytesMax: Int,
            topicsMax: Int,
            tailMax: Int,
            subscriptionsMax: Int,
            unansweredPublishesMax: Int
        ) {
            self.head = head
            self.heartbeatSeconds = heartbeatSeconds
            self.messageBytesMax = messageBytesMax
            self.commandBytesMax = commandBytesMax
            self.topicsMax = topicsMax
            self.tailMax = tailMax
            self.subscriptionsMax = subscriptionsMax
            self.unansweredPublishesMax = unansweredPublishesMax
        }
    }

    package static func write(_ hello: Hello, into buffer: inout ByteBuffer) {
        buffer.writeStaticString("{\"type\":\"hello\",\"version\":1,\"head\":")
        buffer.writeDecimal(hello.head)
        buffer.writeStaticString(",\"heartbeat_seconds\":")
        if let whole = Int64(exactly: hello.heartbeatSeconds) {
            buffer.writeDecimal(whole)
        } else {
            buffer.writeString(String(hello.heartbeatSeconds))
        }
        buffer.writeStaticString(",\"limits\":{")
        let limits: [(StaticString, Int)] = [
            ("\"message_bytes\":", hello.messageBytesMax),
            (",\"command_bytes\":", hello.commandBytesMax),
            (",\"topics\":", hello.topicsMax),
            (",\"tail\":", hello.tailMax),
            (",\"subscriptions\":", hello.subscriptionsMax),
            (",\"unanswered_publishes\":", hello.unansweredPublishesMax),
        ]
        for (name, value) in limits {
            buffer.writeStaticString(name)
            buffer.writeDecimal(Int64(value))
        }
        buffer.writeStaticString("}}")
    }

    /// Writes `message` as one subscription gets it: its start, then the tail.
    package static func write(
        _ message: Message,
        for subscription: String,
        into buffer: inout ByteBuffer
    ) {
        self.writeStart(for: subscription, into: &buffer)
        self.writeTail(of: message, into: &buffer)
    }

    /// What every message of one subscription starts with.
    package static func writeStart(for subscription: String, into buffer: inout ByteBuffer) {
        self.writeStart("message", of: subscription, into: &buffer)
    }

    /// The rest of the object, the same for all subscriptions.
    package static func writeTail(of message: Message, into buffer: inout ByteBuffer) {
        buffer.writeStaticString(",")
        buffer.writeJSONFields(of: message)
        buffer.writeStaticString("}")
    }

    /// Stands before the first message after those that are missing.
    package static func write(
        _ gap: Gap,
        for subscription: String,
        into buffer: inout ByteBuffer
    ) {
        self.writeStart("gap", of: subscription, into: &buffer)
        buffer.writeStaticString(",")
        buffer.writeJSONFields(of: gap)
        buffer.writeStaticString("}")
    }

    /// Replay has reached the live tail, at this cursor.
    package static func writeCaughtUp(
        _ id: Int64,
        for subscription: String,
        into buffer: inout ByteBuffer
    ) {
        self.writeStart("caught_up", of: subscription, into: &buffer)
        self.writeEnd(id: id, into: &buffer)
    }

    /// The filter has passed over messages: resume from here.
    package static func writeCursor(
        _ id: Int64,
        for subscription: String,
        into buffer: inout ByteBuffer
    ) {
        self.writeStart("cursor", of: subscription, into: &buffer)
        self.writeEnd(id: id, into: &buffer)
    }

    /// A subscription has ended: all its topics have, this one last.
    package static func write(
        _ end: TopicEnd,
        for subscription: String,
        into buffer: inout ByteBuffer
    ) {
        self.writeStart("end", of: subscription, into: &buffer)
        buffer.writeStaticString(",")
        buffer.writeJSONFields(of: end)
        buffer.writeStaticString("}")
    }

    /// The server is about to close: come back after so long.
    package static func writeDraining(
        retryMilliseconds: Int64,
        into buffer: inout ByteBuffer
    ) {
        buffer.writeStaticString("{\"type\":\"draining\",\"retry_after_ms\":")
        buffer.writeDecimal(retryMilliseconds)
        buffer.writeStaticString("}")
    }

    private static func writeStart(
        _ type: StaticString,
        of subscription: String,
        into buffer: inout ByteBuffer
    ) {
        buffer.writeStaticString("{\"type\":\"")
        buffer.writeStaticString(type)
        buffer.writeStaticString("\",\"subscription\":")
        buffer.writeJSON(string: subscription)
    }

    private static func writeEnd(id: Int64, into buffer: inout ByteBuffer) {
        buffer.writeStaticString(",\"id\":")
        buffer.writeDecimal(id)
        buffer.writeStaticString("}")
    }
}
