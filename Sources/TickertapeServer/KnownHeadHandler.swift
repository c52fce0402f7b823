import NIOCore
import TickertapeCore

/// Takes publishes whose head is known past the decoder, straight to the connection.
///
/// Confined to its event loop. Only where it knows that a request begins: when each read so far
/// held a head to its end and bodies of announced length. Whoever pipelines new heads, dribbles
/// or sends chunks is left to the decoder for good.
final class KnownHeadHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private enum Place {
        /// The next byte begins a request.
        case start
        /// So many bytes of a body are still to come.
        case body(Int)
        case unknown
    }

    private let connection: ConnectionHandler
    private var place = Place.start
    private var known: KnownHead?

    init(connection: ConnectionHandler) {
        self.connection = connection
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var buffer = self.unwrapInboundIn(data)
        switch self.place {
        case .unknown: context.fireChannelRead(data)
        case .body(let left):
            context.fireChannelRead(data)
            self.place = self.place(after: left - buffer.readableBytes)
        case .start:
            self.takeKnown(&buffer)
            if buffer.readableBytes > 0 { self.pass(buffer, context) }
        }
    }

    /// Takes every complete publish with the known head from the front of `buffer`.
    private func takeKnown(_ buffer: inout ByteBuffer) {
        guard let known = self.known, self.connection.holds(known.publish) else { return }
        while !self.connection.mustHold,
            let match = buffer.withUnsafeReadableBytes({ known.match($0) }),
            match.bodyBytes <= self.connection.server.limits.messageBytesMax,
            buffer.readableBytes - match.headBytes >= match.bodyBytes,
            let publish = buffer.withUnsafeReadableBytes({ known.publish(match, in: $0) }),
            match.topic == nil || self.connection.mayTake(publish)
        {
            buffer.moveReaderIndex(forwardBy: match.headBytes)
            guard let payload = buffer.readSlice(length: match.bodyBytes) else { return }
            self.connection.receivedPublish(publish, payload)
        }
    }

    /// Gives a request to the decoder, and learns its head.
    private func pass(_ buffer: ByteBuffer, _ context: ChannelHandlerContext) {
        let head = buffer.withUnsafeReadableBytes(endOfHead)
        self.connection.machine.forgetLastHead()
        context.fireChannelRead(self.wrapInboundOut(buffer))
        guard let head, let last = self.connection.machine.lastHead else {
            self.place = .unknown
            return
        }
        self.place = self.place(after: head + last.bodyBytes - buffer.readableBytes)
        if case .unknown = self.place { return }
        guard let publish = last.plainPublish else { return }
        self.known = buffer.withUnsafeReadableBytes {
            KnownHead(.init(rebasing: $0[..<head]), publish: publish)
        }
    }

    /// Where a request has so many bytes left.
    ///
    /// More than one request in what was read makes `left` too small: it is then used up before
    /// the last of them ends, where the machine is not idle.
    private func place(after left: Int) -> Place {
        guard left >= 0 else { return .unknown }
        let isIdle = self.connection.machine.isIdle
        // A head whose credential is being verified is as good as not yet there.
        guard isIdle == (left == 0) || self.connection.isVerifyingOneRequest else {
            return .unknown
        }
        return left == 0 ? .start : .body(left)
    }
}

/// How many bytes of `bytes` are a head, its empty line included.
///
/// Nothing where one line ends in LF alone, or the first is empty: what a decoder makes of these is
/// its own business (RFC 9112 §2.2), so that a head can end nowhere else than here.
private func endOfHead(_ bytes: UnsafeRawBufferPointer) -> Int? {
    var start = 0
    while let end = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) {
        guard end > start, bytes[end - 1] == UInt8(ascii: "\r") else { return nil }
        if end == start + 1 { return start > 0 ? end + 1 : nil }
        start = end + 1
    }
    return nil
}
