import Foundation
package import Logging
import NIOCore
import NIOPosix
import NIOSSL
import Synchronization
package import TickertapeAccess
package import TickertapeBroker
package import TickertapeCore
package import TickertapeLog
import TickertapeWire

/// The public door: one listener, HTTP/1 and HTTP/2 connections, event streams.
///
/// In come bytes on a few event loops, each with its `LoopServer`; what they publish goes to the
/// loop's share of the broker, and what it delivers goes straight to the sockets of the loop.
/// Nothing here is called by another thread but `reload` and `stop`.
package final class Server: Sendable {
    private let group: MultiThreadedEventLoopGroup
    package let broker: Broker
    private let loops: [LoopServer]
    private let listener: any Channel
    private let emptied: EventLoopFuture<Void>
    private let count: ConnectionCount
    private let logger: Logger
    private let limits: Limits
    private let tls: TLSContext?
    private let hasBegunDrain = Atomic<Bool>(false)

    /// Open now, over all loops.
    package var connectionCount: Int { self.count.current }
    /// Whether it was told to stop.
    package var isDraining: Bool { self.hasBegunDrain.load(ordering: .relaxed) }

    /// The port that is listened on, also when it was picked.
    package var port: Int { self.listener.localAddress?.port ?? 0 }

    /// Where to listen and with how many loops.
    package struct Configuration: Sendable {
        package var host: String
        /// 0 picks a free one.
        package var port: Int
        package var loopCount: Int
        package var features: Features
        package var admission: AdmissionRules
        /// With them every connection is TLS.
        package var tls: TLSFiles?
        /// Whether HTTP/2 is spoken without TLS too, by those who begin with it.
        package var takesPlainHTTP2 = false

        package init(
            host: String,
            port: Int,
            loopCount: Int,
            features: Features,
            admission: AdmissionRules
        ) {
            self.admission = admission
            self.host = host
            self.port = port
            self.loopCount = loopCount
            self.features = features
        }
    }

    /// Starts listening.
    ///
    /// - Throws: What the system says when the address cannot be used; `TLSFailure`.
    package init(
        _ configuration: Configuration,
        log: any MessageLog & LogAdministration,
        authenticator: Authenticator,
        limits: Limits,
        logger: Logger
    ) async throws {
        let tls = try configuration.tls.map { try TLSContext($0, limits) }
        if let tls { Self.logEnd(of: tls, logger) }
        let group = MultiThreadedEventLoopGroup(numberOfThreads: configuration.loopCount)
        let eventLoops = group.makeIterator().map { $0 }
        let emptied = eventLoops[0].makePromise(of: Void.self)
        let count = ConnectionCount(emptied: emptied)
        let broker = Broker(log: log, eventLoops: eventLoops, limits: limits)
        let shares = FairShares(limits: limits)
        let loops = eventLoops.map { eventLoop in
            LoopServer(
                fanout: broker.fanout(on: eventLoop),
                limits: limits,
                features: configuration.features,
                count: count,
                admission: Admission(
                    configuration.admission,
                    authenticator: authenticator,
                    shares: shares,
                    limits: limits,
                    policies: { log.policies }
                )
            )
        }
        self.group = group
        self.broker = broker
        self.loops = loops
        self.count = count
        self.emptied = emptied.futureResult
        self.limits = limits
        self.tls = tls
        self.logger = logger
        let plain = configuration.takesPlainHTTP2 ? Opening.plain : .http1
        let opening = tls.map { Opening.tls($0) } ?? plain
        do {
            self.listener = try await Self.listen(
                configuration,
                opening,
                group,
                loops,
                count,
                limits
            )
        } catch {
            emptied.succeed()
            try? await group.shutdownGracefully()
            throw error
        }
        for (eventLoop, server) in zip(eventLoops, loops) {
            let interval = LoopServer.tickInterval
            eventLoop.scheduleRepeatedTask(initialDelay: interval, delay: interval) { _ in
                server.advance()
            }
        }
        if configuration.features.hasDemo {
            let (feed, assistant) = (DemoFeed(loops[0]), DemoAssistant(loops[0]))
            eventLoops[0].execute {
                feed.start()
                assistant.start()
            }
        }
    }

    /// Stops accepting, lets everything in flight finish, and ends the streams.
    ///
    /// Takes at most `drainSeconds`; what is still open then is closed.
    package func stop() async {
        self.hasBegunDrain.store(true, ordering: .relaxed)
        self.logger.info(
            "draining",
            metadata: ["tickertape.connections": "\(self.count.current)"]
        )
        try? await self.listener.close()
        for server in self.loops {
            server.fanout.eventLoop.execute { server.drain() }
        }
        self.broker.endSubscriptions()
        self.count.drain()
        let deadline = self.group.next().scheduleTask(
            in: .nanoseconds(Int64(self.limits.drainSeconds * 1_000_000_000))
        ) { [count = self.count] in count.giveUp() }
        try? await self.emptied.get()
        deadline.cancel()
        self.logger.info(
            "drained",
            metadata: ["tickertape.connections_left": "\(self.count.current)"]
        )
    }

    /// Reads the certificate and its key again.
    ///
    /// New connections get the new ones; what cannot be used is logged, and the old ones stay.
    ///
    /// - Returns: Whether there is anything to be read.
    @discardableResult
    package func reload() -> Bool {
        guard let tls = self.tls else { return false }
        do {
            try tls.reload()
            Self.logEnd(of: tls, self.logger)
        } catch {
            self.logger.error(
                "the new certificate cannot be used; the one before is used on",
                metadata: ["tickertape.error": "\(error)"]
            )
        }
        return true
    }

    private static func logEnd(of tls: TLSContext, _ logger: Logger) {
        guard let seconds = tls.endSeconds else { return }
        let metadata: Logger.Metadata = [
            "tickertape.certificate_ends": "\(rfc3339(milliseconds: seconds * 1_000))"
        ]
        if seconds < Int64(Date().timeIntervalSince1970) {
            logger.warning("the certificate has expired", metadata: metadata)
        } else {
            logger.info("certificate read", metadata: metadata)
        }
    }

    /// Ends the loops.
    ///
    /// After this nothing is answered any more.
    package func shutdown() async {
        try? await self.group.shutdownGracefully()
    }

    private static func listen(
        _ configuration: Configuration,
        _ opening: Opening,
        _ group: MultiThreadedEventLoopGroup,
        _ loops: [LoopServer],
        _ count: ConnectionCount,
        _ limits: Limits
    ) async throws -> any Channel {
        try await ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: Int32(limits.listenBacklog))
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .serverChannelOption(.maxMessagesPerRead, value: 64)
            .serverChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        AcceptGate(count: count, connectionsMax: limits.connectionsMax)
                    )
                }
            }
            // Accepted sockets inherit it (tcp(7)): one call instead of one a connection.
            .serverChannelOption(
                .tcpOption(.init(rawValue: notSentLowWatermark)),
                value: limits.socketUnsentBytesMax
            )
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    guard
                        let server = loops.first(where: {
                            $0.fanout.eventLoop === channel.eventLoop
                        })
                    else { preconditionFailure("a connection lives on a loop of the server") }
                    try Self.addHandlers(to: channel, opening, server)
                }
            }
            .bind(host: configuration.host, port: configuration.port)
            .get()
    }

    /// How connections begin.
    private enum Opening: Sendable {
        case http1
        /// HTTP/1 or HTTP/2.
        case plain
        case tls(TLSContext)

        var isSecure: Bool {
            if case .tls = self { return true }
            return false
        }
    }

    private static func addHandlers(
        to channel: any Channel,
        _ opening: Opening,
        _ server: LoopServer
    ) throws {
        let high = server.limits.subscriberBufferedBytesMax
        try channel.syncOptions?.setOption(.allowRemoteHalfClosure, value: true)
        try channel.syncOptions?.setOption(
            .writeBufferWaterMark,
            value: .init(low: high / 2, high: high)
        )
        let peer = Peer.connected(
            channel,
            isSecure: opening.isSecure,
            server.admission.shares
        )
        let pipeline = channel.pipeline.syncOperations
        switch opening {
        case .http1:
            try ConnectionHandler.add(to: pipeline, server, peer: peer)
        case .plain:
            try pipeline.addHandler(ConnectionOpening(server: server, kind: .plain, peer: peer))
        case .tls(let tls):
            try pipeline.addHandler(tls.makeHandler())
            try pipeline.addHandler(ConnectionOpening(server: server, kind: .tls, peer: peer))
        }
    }
}

/// TCP_NOTSENT_LOWAT of Linux (tcp(7)); the name is not in Glibc's Swift module.
private let notSentLowWatermark: CInt = 25
