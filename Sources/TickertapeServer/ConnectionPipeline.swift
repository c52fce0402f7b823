import NIOCore
import NIOHTTP1
import TickertapeCore

extension ConnectionHandler {
    /// The handlers of one HTTP/1 connection.
    static func add(
        to pipeline: ChannelPipeline.SynchronousOperations,
        _ server: LoopServer,
        peer: Peer
    ) throws {
        var limits = NIOHTTPDecoderLimitConfiguration()
        // A target over its own limit still parses, so that it is answered 414 and not 431.
        limits.maxHeaderFieldSize = server.limits.headBytesMax
        limits.maxHeaderListSize = server.limits.headBytesMax
        limits.maxHeaderFieldCount = server.limits.headerFieldsMax
        let decoder = ByteToMessageHandler(
            HTTPRequestDecoder(
                leftOverBytesStrategy: .dropBytes,
                informationalResponseStrategy: .drop,
                limitConfiguration: limits
            ),
            // Reached only where the decoder has stopped reading.
            maximumBufferSize: server.limits.headBytesMax * 8
        )
        let connection = ConnectionHandler(server: server, peer: peer)
        let shortcut = KnownHeadHandler(connection: connection)
        try pipeline.addHandler(shortcut)
        try pipeline.addHandler(decoder)
        try pipeline.addHandler(connection)
        // Last: handlers that were not added would keep each other for good.
        connection.parsers = [shortcut, decoder]
    }
}
