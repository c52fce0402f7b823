import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdCore
package import Logging
import Metrics
import NIOCore
import NIOPosix
import Synchronization
package import TickertapeBroker
package import TickertapeCore
package import TickertapeLog

/// The admin door: what operators see and steer, over HTTP on a Unix socket and, if they say so, TCP.
///
/// In come requests of the command line, of the console, of Prometheus; they go to the log and the
/// broker through their protocols for administration. Two Hummingbird applications with the same
/// routes run on one event loop of their own and on tasks: nothing of the door shares a thread with
/// the public port, and nothing of it can be reached from there. A sampler looks at the broker once
/// a second; whoever watches reads what it saw.
package final class AdminDoor: Sendable {
    /// Where the door is and who may come in.
    package struct Configuration: Sendable {
        package var version: String
        /// The address of the public port, for those who ask.
        package var address: String
        /// Absolute.
        package var dataDirectory: String
        /// Where to listen besides the socket; port 0 picks a free one.
        package var listen: (host: String, port: Int)?
        package var token: AdminToken?

        package init(
            version: String,
            address: String,
            dataDirectory: String,
            listen: (host: String, port: Int)? = nil,
            token: AdminToken? = nil
        ) {
            precondition(listen == nil || token != nil, "over TCP everybody needs the token")
            self.version = version
            self.address = address
            self.dataDirectory = dataDirectory
            self.listen = listen
            self.token = token
        }
    }

    package static let socketName = "admin.sock"
    package static let tokenName = "admin-token"

    /// The loop of all doors of the process, never shut down: Hummingbird's server has a task of its
    /// own that still asks its loop for the promise of the shutdown when `run()` has returned.
    private static let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)

    private let listeners: [Listener.Running]
    private let sampling: Task<Void, Never>
    private let socket: AdminSocket
    private let isDraining: Flag

    /// The port that is listened on over TCP.
    package let port: Int?

    /// Opens the door.
    ///
    /// - Throws: An `AdminDoorError` with a sentence for the operator.
    package init(
        _ configuration: Configuration,
        log: any MessageLog & LogAdministration,
        broker: Broker,
        connections: @escaping @Sendable () -> Int,
        metrics: TextMetrics,
        limits: Limits,
        logger: Logger
    ) async throws {
        let started = nowMilliseconds()
        let isDraining = Flag()
        let sampler = Sampler(
            log: log,
            broker: broker,
            connections: connections,
            metrics: BrokerMetrics(
                version: configuration.version,
                startedMilliseconds: started,
                isWritable: { log.isWritable }
            )
        )
        // What is asked for before the first second is over is there.
        await sampler.tick(seconds: 0, clockSeconds: 0)
        let table = RouteTable(
            AdminBackend(
                log: log,
                broker: broker,
                sampler: sampler,
                limits: limits,
                identity: .init(
                    version: configuration.version,
                    startedMilliseconds: started,
                    address: configuration.address,
                    dataDirectory: configuration.dataDirectory
                ),
                connections: connections,
                streams: OpenStreams(countMax: limits.adminStreamsMax),
                isDraining: { isDraining.isSet },
                signal: { await broker.signal(for: $0) },
                metrics: { metrics.text() }
            )
        )
        self.isDraining = isDraining
        var listeners: [Listener.Running] = []
        var opened: AdminSocket?
        do {
            let socket = try AdminSocket(in: configuration.dataDirectory)
            opened = socket
            self.socket = socket
            let local = Listener(
                address: .unixDomainSocket(path: socket.bindPath),
                responder: DoorResponder(.socket, table, logger: logger),
                limits: limits,
                group: Self.group,
                logger: logger
            )
            // The socket is its owner's from the moment it exists: nobody connects in between.
            let mask = umask(0o177)
            let running: Listener.Running
            do {
                defer { umask(mask) }
                running = try await local.start()
            } catch {
                throw AdminDoorError("\(socket.path) cannot be listened on: \(error)")
            }
            listeners.append(running)
            logger.info("admin door", metadata: ["tickertape.socket": "\(socket.path)"])
            if let listen = configuration.listen, let token = configuration.token {
                let network = Listener(
                    address: .hostname(listen.host, port: listen.port),
                    responder: DoorResponder(.network(token), table, logger: logger),
                    limits: limits,
                    group: Self.group,
                    logger: logger
                )
                do {
                    let running = try await network.start()
                    listeners.append(running)
                    self.port = running.channel.localAddress?.port
                } catch {
                    throw AdminDoorError(
                        "\(listen.host), port \(listen.port) cannot be listened on: \(error)"
                    )
                }
                Self.log(listen.host, self.port ?? listen.port, logger)
            } else {
                self.port = nil
            }
        } catch {
            opened?.remove()
            for listener in listeners { await listener.stop() }
            throw error
        }
        self.listeners = listeners
        self.sampling = Task.detached { await sampler.run() }
    }

    private static func log(_ host: String, _ port: Int, _ logger: Logger) {
        let metadata: Logger.Metadata = [
            "tickertape.host": "\(host)", "tickertape.port": "\(port)",
        ]
        logger.info("admin door", metadata: metadata)
        let isLocal = host == "localhost" || host == "::1" || host.hasPrefix("127.")
        guard !isLocal else { return }
        logger.warning(
            "the admin door can be reached from other machines, and what is sent is not encrypted",
            metadata: metadata
        )
    }

    /// From now on the broker drains: reading goes on, publishing does not.
    package func drain() { self.isDraining.set() }

    /// Ends what is under way and closes the door.
    ///
    /// Streams do not delay it: they end.
    package func stop() async {
        self.isDraining.set()
        self.sampling.cancel()
        // Before the listeners: who finds no socket knows that there is no broker any more.
        self.socket.remove()
        await withTaskGroup(of: Void.self) { group in
            for listener in self.listeners { group.addTask { await listener.stop() } }
        }
        await self.sampling.value
    }
}

/// Something that happens once.
final class Flag: Sendable {
    private let value = Atomic<Bool>(false)

    var isSet: Bool { self.value.load(ordering: .relaxed) }
    func set() { self.value.store(true, ordering: .relaxed) }
}
