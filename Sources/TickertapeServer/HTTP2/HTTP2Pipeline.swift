import NIOCore
import NIOHTTP2
import TickertapeCore

extension HTTP2Connection {
    /// The handlers of one HTTP/2 connection, and of each of its streams.
    static func add(
        to channel: any Channel,
        _ server: LoopServer,
        peer: Peer
    ) throws {
        let connection = HTTP2Connection(server: server, isOverBound: peer.isOverBound)
        let frames = NIOHTTP2Handler(
            mode: .server,
            eventLoop: channel.eventLoop,
            connectionConfiguration: .init(server.limits),
            streamConfiguration: .init(server.limits),
            streamDelegate: connection
        ) { stream in
            stream.eventLoop.makeCompletedFuture {
                let codec = StreamCodec(server: server, connection: connection)
                let pipeline = stream.pipeline.syncOperations
                try pipeline.addHandler(codec)
                try pipeline.addHandler(
                    ConnectionHandler(server: server, peer: peer, stream: codec)
                )
            }
        }
        let pipeline = channel.pipeline.syncOperations
        try pipeline.addHandler(HTTP2Wire(server: server, connection: connection))
        try pipeline.addHandler(frames)
        try pipeline.addHandler(connection)
    }
}

extension NIOHTTP2Handler.ConnectionConfiguration {
    init(_ limits: Limits) {
        self.init()
        self.initialSettings = [
            // `HTTP2Wire` says how many there are; those between are refused one by one.
            HTTP2Setting(parameter: .maxConcurrentStreams, value: limits.connectionStreamsMax * 2),
            HTTP2Setting(parameter: .initialWindowSize, value: limits.streamWindowBytes),
            // More than is taken, so that a head over its limit is answered 431.
            HTTP2Setting(parameter: .maxHeaderListSize, value: limits.headBytesMax * 2),
        ]
        self.targetWindowSize = limits.connectionWindowBytes
        self.maximumSequentialEmptyDataFrames = limits.emptyFramesMax
        self.maximumSequentialContinuationFrames = limits.continuationFramesMax
        self.maximumBufferedControlFrames = limits.controlFramesBufferedMax
        self.maximumConnectionGlitches = limits.streamErrorsMax
        self.controlFrameRateLimit.maximumCount = limits.controlFramesMax
        self.controlFrameRateLimit.windowLength = .seconds(Int64(limits.frameWindowSeconds))
    }
}

extension NIOHTTP2Handler.StreamConfiguration {
    init(_ limits: Limits) {
        self.init()
        self.targetWindowSize = limits.streamWindowBytes
        self.outboundBufferSizeHighWatermark = limits.subscriberBufferedBytesMax
        self.outboundBufferSizeLowWatermark = limits.subscriberBufferedBytesMax / 2
        self.streamResetFrameRateLimit.maximumCount = limits.streamResetsMax
        self.streamResetFrameRateLimit.windowLength = .seconds(Int64(limits.frameWindowSeconds))
        self.streamErrorRateLimit.maximumCount = limits.streamErrorsMax
        self.streamErrorRateLimit.windowLength = .seconds(Int64(limits.frameWindowSeconds))
    }
}
