package import NIOCore
package import TickertapeCore

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// The bytes of an event stream (WHATWG HTML §9.2, `text/event-stream`).
///
/// Every event is one block with its `id`, so that a cut inside it replays it whole.
package enum EventStreamFrame {
    /// Writes `message` as one event.
    ///
    /// The payload is split on CR, LF and CRLF, as receivers would: nothing in it can forge a
    /// field. Receivers join the lines with LF. `event` has no line end by its type.
    package static func write(_ message: Message, into buffer: inout ByteBuffer) {
        buffer.writeStaticString("id: ")
        buffer.writeDecimal(message.id)
        if let event = message.event {
            buffer.writeStaticString("\nevent: ")
            buffer.writeString(event)
        }
        buffer.writeStaticString("\ndata: ")
        self.writeLines(of: message.data, into: &buffer)
        buffer.writeStaticString("\n\n")
    }

    /// What every stream starts with: a comment, so that `onopen` fires through proxies, and the
    /// reconnection time.
    ///
    /// The comment has a block of its own, which readers that split at empty lines expect; the
    /// `retry` joins the block that follows, since some clients take one of `retry` alone for an
    /// event. A `cursor` is written when the client gave none: it stores the id and dispatches
    /// nothing, so a cut before the first message loses nothing.
    package static func writeOpening(
        retryMilliseconds: Int64,
        cursor: Int64?,
        into buffer: inout ByteBuffer
    ) {
        buffer.writeStaticString(":\n\nretry: ")
        buffer.writeDecimal(retryMilliseconds)
        buffer.writeStaticString("\n")
        if let cursor { self.writeCursor(cursor, into: &buffer) }
    }

    /// A sign of life that says nothing.
    ///
    /// Without an empty line: some clients take each one for an event.
    package static func writeComment(into buffer: inout ByteBuffer) {
        buffer.writeStaticString(":\n")
    }

    /// A block with an id and no data: the client stores the id and dispatches nothing.
    package static func writeCursor(_ id: Int64, into buffer: inout ByteBuffer) {
        buffer.writeStaticString("id: ")
        buffer.writeDecimal(id)
        buffer.writeStaticString("\n\n")
    }

    /// The last block of a stream that the server ends: come back after so long.
    package static func writeFarewell(
        retryMilliseconds: Int64,
        into buffer: inout ByteBuffer
    ) {
        buffer.writeStaticString("retry: ")
        buffer.writeDecimal(retryMilliseconds)
        buffer.writeStaticString("\n\n")
    }

    /// The last block of a stream whose topics have all ended: there is nothing to come back for.
    ///
    /// Without an id: the cursor of the client stays what it is.
    package static func write(_ end: TopicEnd, into buffer: inout ByteBuffer) {
        buffer.writeStaticString("event: tickertape.end\ndata: {")
        buffer.writeJSONFields(of: end)
        buffer.writeStaticString("}\n\n")
    }

    /// What was granted to the stream ends in so many seconds.
    ///
    /// Without an id, as all that is said beside the log: the cursor of the client stays.
    package static func writeExpiring(inSeconds seconds: Int, into buffer: inout ByteBuffer) {
        buffer.writeStaticString("event: tickertape.expiring\ndata: {\"seconds\":")
        buffer.writeDecimal(Int64(seconds))
        buffer.writeStaticString("}\n\n")
    }

    /// The last block of a stream whose credential is no longer good: `expired` or `revoked`.
    package static func writeUnauthorized(_ reason: String, into buffer: inout ByteBuffer) {
        buffer.writeStaticString("event: tickertape.unauthorized\ndata: {\"reason\":")
        buffer.writeJSON(string: reason)
        buffer.writeStaticString("}\n\n")
    }

    /// Replay has reached the live tail, for those who ask to be told.
    package static func writeCaughtUp(_ id: Int64, into buffer: inout ByteBuffer) {
        buffer.writeStaticString("id: ")
        buffer.writeDecimal(id)
        buffer.writeStaticString("\nevent: tickertape.caught-up\ndata: {\"id\":")
        buffer.writeDecimal(id)
        buffer.writeStaticString("}\n\n")
    }

    package static func write(_ gap: Gap, into buffer: inout ByteBuffer) {
        buffer.writeStaticString("id: ")
        buffer.writeDecimal(gap.cursor)
        buffer.writeStaticString("\nevent: tickertape.gap\ndata: ")
        buffer.writeJSON(gap)
        buffer.writeStaticString("\n\n")
    }

    private static func writeLines(of data: String, into buffer: inout ByteBuffer) {
        let written: Void? = data.utf8.withContiguousStorageIfAvailable { bytes in
            self.writeLines(of: bytes, into: &buffer)
        }
        if written == nil {
            Array(data.utf8).withUnsafeBufferPointer { self.writeLines(of: $0, into: &buffer) }
        }
    }

    private static func writeLines(
        of bytes: UnsafeBufferPointer<UInt8>,
        into buffer: inout ByteBuffer
    ) {
        guard let base = bytes.baseAddress, bytes.count > 0 else { return }
        let hasLineEnd =
            memchr(base, 0x0A, bytes.count) != nil || memchr(base, 0x0D, bytes.count) != nil
        guard hasLineEnd else {
            buffer.writeBytes(UnsafeRawBufferPointer(bytes))
            return
        }
        var start = 0
        var index = 0
        while index < bytes.count {
            let byte = bytes[index]
            guard byte == 0x0A || byte == 0x0D else {
                index += 1
                continue
            }
            buffer.writeBytes(
                UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: bytes[start..<index]))
            )
            buffer.writeStaticString("\ndata: ")
            index += 1
            if byte == 0x0D, index < bytes.count, bytes[index] == 0x0A { index += 1 }
            start = index
        }
        buffer.writeBytes(UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: bytes[start...])))
    }
}

/// How the blocks of an event stream travel.
package enum StreamFraming: Sendable {
    /// As HTTP/1.1 chunks (RFC 9112 §7.1).
    case chunked
    /// As they are, until the connection closes: HTTP/1.0.
    case plain

    /// Writes what `body` writes, framed.
    package func wrap(_ content: ByteBuffer) -> ByteBuffer {
        switch self {
        case .plain: return content
        case .chunked:
            var framed = ByteBufferAllocator().buffer(capacity: content.readableBytes + 20)
            framed.writeHexadecimal(content.readableBytes)
            framed.writeStaticString("\r\n")
            framed.writeImmutableBuffer(content)
            framed.writeStaticString("\r\n")
            return framed
        }
    }

    /// The last write of a stream that the broker ends: come back after so long.
    package func farewell(retryMilliseconds: Int64) -> ByteBuffer {
        var block = ByteBufferAllocator().buffer(capacity: 64)
        EventStreamFrame.writeFarewell(retryMilliseconds: retryMilliseconds, into: &block)
        return self.wrapLast(block)
    }

    /// The last write of a stream whose topics have all ended.
    package func end(with end: TopicEnd) -> ByteBuffer {
        var block = ByteBufferAllocator().buffer(capacity: 128)
        EventStreamFrame.write(end, into: &block)
        return self.wrapLast(block)
    }

    package func expiring(inSeconds seconds: Int) -> ByteBuffer {
        var block = ByteBufferAllocator().buffer(capacity: 64)
        EventStreamFrame.writeExpiring(inSeconds: seconds, into: &block)
        return self.wrap(block)
    }

    /// The last write of a stream whose credential is no longer good.
    package func unauthorized(_ reason: String) -> ByteBuffer {
        var block = ByteBufferAllocator().buffer(capacity: 96)
        EventStreamFrame.writeUnauthorized(reason, into: &block)
        return self.wrapLast(block)
    }

    private func wrapLast(_ block: ByteBuffer) -> ByteBuffer {
        var bytes = self.wrap(block)
        bytes.writeStaticString(self.end)
        return bytes
    }

    /// What ends the body.
    package var end: StaticString {
        switch self {
        case .chunked: "0\r\n\r\n"
        case .plain: ""
        }
    }
}
