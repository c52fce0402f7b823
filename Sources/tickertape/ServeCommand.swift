import ArgumentParser
import Foundation
import Logging
import Metrics
import ServiceLifecycle
import TickertapeAccess
import TickertapeAdmin
import TickertapeBroker
import TickertapeCore
import TickertapeLog
import TickertapeServer
import UnixSignals

/// Runs the broker until it is told to stop.
struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Run the broker.",
        discussion: """
            Every option may also be given as an environment variable: TICKERTAPE_ and its name \
            in capitals, as in TICKERTAPE_DATA_DIR. The command line wins.

            SIGTERM and SIGINT stop it: publishes in flight are answered, event streams are told \
            when to come back, and the log is folded into one file. SIGHUP: the certificate and its \
            key are read again.

            The admin door is a Unix socket in the data directory, admin.sock, which the other \
            commands talk to; with --admin-listen it is on TCP too, where every request needs the \
            admin token.

              curl -N http://127.0.0.1:1867/topics/news/events
              curl -d 'hello' http://127.0.0.1:1867/topics/news/messages
            """
    )

    @Option(help: "The folder of the log; made if it does not exist. One broker at a time.")
    var dataDir = "./tickertape-data"

    @Option(help: "The address to listen on.")
    var host = "127.0.0.1"

    @Option(
        parsing: .unconditional,
        help: "The port to listen on; 0 picks a free one and prints it."
    )
    var port = 1867

    @Option(
        help: .init(
            """
            The certificate in PEM, then those up to its root; with --tls-key every connection is \
            TLS. SIGHUP reads both again.
            """,
            valueName: "file"
        )
    )
    var tlsCertificate: String?

    @Option(help: .init("The private key of the certificate in PEM.", valueName: "file"))
    var tlsKey: String?

    @Flag(
        name: .customLong("h2c"),
        help: "Speak HTTP/2 without TLS too, with clients that begin with it: for a proxy."
    )
    var plainHTTP2 = false

    @Option(parsing: .unconditional, help: "The largest payload, in bytes.")
    var maxMessageBytes = Limits().messageBytesMax

    @Option(parsing: .unconditional, help: "Event streams open at a time.")
    var maxStreams = Limits().streamsMax

    @Option(
        parsing: .unconditional,
        help: "Seconds an event stream tells its client to wait before it reconnects."
    )
    var retry = Limits().retrySeconds

    @Option(
        parsing: .unconditional,
        help: "Seconds between two signs of life of a quiet event stream."
    )
    var heartbeat = Limits().heartbeatSeconds

    @Option(parsing: .unconditional, help: "Seconds a request may take to arrive, head and body.")
    var requestTimeout = Limits().requestTimeoutSeconds

    @Option(
        parsing: .unconditional,
        help: "Seconds a kept-alive connection may wait for its next request."
    )
    var idleTimeout = Limits().idleTimeoutSeconds

    @Option(
        parsing: .unconditional,
        help: "Seconds a streaming publish may send nothing."
    )
    var publishStreamTimeout = Limits().streamedIdleSeconds

    @Option(
        parsing: .unconditional,
        help: "Messages that may wait to be committed; above, publishes get 503."
    )
    var queueMaxMessages = Limits().queueMessagesMax

    @Option(parsing: .unconditional, help: "The same in bytes.")
    var queueMaxBytes = Limits().queueBytesMax

    @Option(
        help: .init(
            "An address and port, as 127.0.0.1:1868, for the admin door besides its socket.",
            valueName: "host:port"
        ),
        transform: ListenAddress.init(_:)
    )
    var adminListen: ListenAddress?

    @Option(help: "The file of the admin token. (default: admin-token in the data directory)")
    var adminTokenFile: String?

    @Option(
        parsing: .unconditional,
        help: "Event loops, each one thread. (default: the cores but one, for the writer)"
    )
    var loops: Int?

    @OptionGroup(title: "Who may use the public port")
    var access: AccessOptions

    @Option(help: "trace, debug, info, notice, warning, error or critical.")
    var logLevel = LogLevel.info

    @Option(help: "text, or json for one object a line. Logs go to standard error.")
    var logFormat = LogFormat.text

    @Flag(help: "Serve a demo at /demo/ and publish synthetic prices and news for it.")
    var demo = false

    @Flag(help: "Decline permessage-deflate: every WebSocket message goes as it is.")
    var noWebsocketCompression = false

    @Flag(help: .hidden)
    var websocketEcho = false

    static let flagNames = Set([
        "--demo", "--h2c", "--no-websocket-compression", "--websocket-echo",
    ]).union(AccessOptions.flagNames)
    static let optionNames: Set<String> = flagNames.union([
        "--data-dir", "--host", "--port", "--max-message-bytes", "--max-streams", "--retry",
        "--heartbeat", "--request-timeout", "--idle-timeout", "--queue-max-messages",
        "--queue-max-bytes", "--admin-listen", "--admin-token-file", "--loops", "--log-level",
        "--log-format", "--tls-certificate", "--tls-key", "--publish-stream-timeout",
    ]).union(AccessOptions.optionNames)

    func validate() throws {
        try self.check("--port", self.port, in: 0...65_535)
        try self.check("--max-message-bytes", self.maxMessageBytes, in: 1...67_108_864)
        try self.check("--max-streams", self.maxStreams, in: 0...1_000_000)
        try self.check("--retry", self.retry, in: 0.001...3_600)
        try self.check("--heartbeat", self.heartbeat, in: 0.1...3_600)
        try self.check("--request-timeout", self.requestTimeout, in: 0.25...3_600)
        try self.check("--idle-timeout", self.idleTimeout, in: 0.25...86_400)
        try self.check("--publish-stream-timeout", self.publishStreamTimeout, in: 0.25...86_400)
        try self.check("--queue-max-messages", self.queueMaxMessages, in: 1...10_000_000)
        try self.check("--queue-max-bytes", self.queueMaxBytes, in: 1...17_179_869_184)
        if let loops = self.loops { try self.check("--loops", loops, in: 1...256) }
        guard (self.tlsCertificate == nil) == (self.tlsKey == nil) else {
            throw ValidationError("--tls-certificate and --tls-key go together: give both.")
        }
        guard !self.plainHTTP2 || self.tlsCertificate == nil else {
            throw ValidationError(
                "--h2c is HTTP/2 without TLS; with a certificate HTTP/2 is served anyway."
            )
        }
    }

    private var tls: TLSFiles? {
        guard let certificate = self.tlsCertificate, let key = self.tlsKey else { return nil }
        return TLSFiles(certificate: certificate, key: key)
    }

    private func check<Value: Comparable>(
        _ name: String,
        _ value: Value,
        in range: ClosedRange<Value>
    ) throws {
        guard !range.contains(value) else { return }
        throw ValidationError(
            "\(name) is \(value), but should be \(range.lowerBound) to \(range.upperBound)."
        )
    }

    func run() async throws {
        let logger = self.logFormat.logger(level: self.logLevel.level)
        try self.access.checkMode(host: self.host, logger)
        let files = try OpenFiles.raise()
        let limits = self.limits(openFiles: files)
        // Before anything makes a metric: what was made earlier would be kept by nobody.
        let metrics = TextMetrics()
        MetricsSystem.bootstrap(metrics)
        let log: SQLiteLog
        do {
            log = try SQLiteLog(dataDirectory: self.dataDir, limits: limits, logger: logger)
        } catch {
            throw Failure("tickertape cannot start: \(words(for: error))")
        }
        let authenticator: Authenticator
        do {
            authenticator = try Authenticator(
                self.access.authentication(),
                tokens: log.tokens,
                limits: limits,
                logger: logger
            )
        } catch {
            log.close()
            throw Failure("tickertape cannot start: \(words(for: error))")
        }
        var configuration = Server.Configuration(
            host: self.host,
            port: self.port,
            loopCount: self.loops ?? max(1, ProcessInfo.processInfo.activeProcessorCount - 1),
            features: self.features,
            admission: try self.access.rules(host: self.host)
        )
        configuration.tls = self.tls
        configuration.takesPlainHTTP2 = self.plainHTTP2
        let server: Server
        do {
            server = try await Server(
                configuration,
                log: log,
                authenticator: authenticator,
                limits: limits,
                logger: logger
            )
        } catch let error as TLSFailure {
            log.close()
            throw Failure("tickertape cannot start: \(printable(error.description))")
        } catch {
            log.close()
            throw Failure(
                "tickertape cannot listen on \(self.host), port \(self.port): \(words(for: error))"
            )
        }
        logger.info(
            "limits",
            metadata: [
                "tickertape.open_files": "\(files)",
                "tickertape.connections_max": "\(limits.connectionsMax)",
                "tickertape.streams_max": "\(limits.streamsMax)",
            ]
        )
        let door: AdminDoor
        do {
            door = try await self.openDoor(server, log, metrics, limits, logger)
        } catch {
            await server.stop()
            log.close()
            await server.shutdown()
            throw Failure("tickertape cannot open the admin door: \(words(for: error))")
        }
        let group = ServiceGroup(
            configuration: .init(
                services: [
                    KeyFileService(authenticator: authenticator),
                    BrokerService(
                        server: server,
                        door: door,
                        log: log,
                        authenticator: authenticator,
                        readyLine: self.readyLine(port: server.port, log),
                        logger: logger
                    ),
                ],
                gracefulShutdownSignals: [.sigterm, .sigint],
                logger: logger
            )
        )
        try await group.run()
    }

    private func openDoor(
        _ server: Server,
        _ log: SQLiteLog,
        _ metrics: TextMetrics,
        _ limits: Limits,
        _ logger: Logger
    ) async throws -> AdminDoor {
        let tokenPath = "\(log.dataDirectoryPath)/\(AdminDoor.tokenName)"
        let environmentToken = ProcessInfo.processInfo.environment["TICKERTAPE_ADMIN_TOKEN"]
        if self.adminTokenFile == nil { try AdminTokenFile.create(tokenPath) }
        var configuration = AdminDoor.Configuration(
            version: Tickertape.version,
            address: "\(self.hostInAddress):\(server.port)",
            dataDirectory: log.dataDirectoryPath
        )
        if let listen = self.adminListen {
            configuration.listen = (listen.host, listen.port)
            if let file = self.adminTokenFile {
                configuration.token = try AdminTokenFile.read(file)
            } else if let environmentToken {
                configuration.token = try AdminToken(
                    environmentToken,
                    from: "TICKERTAPE_ADMIN_TOKEN"
                )
            } else {
                configuration.token = try AdminTokenFile.read(tokenPath)
            }
        }
        return try await AdminDoor(
            configuration,
            log: log,
            broker: server.broker,
            connections: { server.connectionCount },
            metrics: metrics,
            limits: limits,
            logger: logger
        )
    }

    private func readyLine(port: Int, _ log: SQLiteLog) -> String {
        "tickertape is ready on \(self.tls == nil ? "http" : "https")://\(self.hostInAddress):\(port), "
            + "data in \(log.dataDirectoryPath), "
            + "\(log.messageCountAtStart) messages in the log\n"
    }

    /// As it stands in a URL: an IPv6 address in brackets.
    private var hostInAddress: String { self.host.contains(":") ? "[\(self.host)]" : self.host }

    private var features: Features {
        var features = Features()
        features.hasDemo = self.demo
        features.compressesWebSockets = !self.noWebsocketCompression
        features.hasWebSocketEcho = self.websocketEcho
        return features
    }

    private func limits(openFiles: Int) -> Limits {
        var limits = Limits()
        limits.messageBytesMax = self.maxMessageBytes
        limits.retrySeconds = self.retry
        limits.heartbeatSeconds = self.heartbeat
        limits.requestTimeoutSeconds = self.requestTimeout
        limits.idleTimeoutSeconds = self.idleTimeout
        limits.streamedIdleSeconds = self.publishStreamTimeout
        limits.queueMessagesMax = self.queueMaxMessages
        limits.queueBytesMax = self.queueMaxBytes
        limits.connectionsMax = max(1, openFiles - limits.reservedFilesCount)
        // Some connections are left for publishers when streams take all they may.
        limits.streamsMax = min(self.maxStreams, max(1, limits.connectionsMax * 19 / 20))
        self.access.apply(to: &limits)
        return limits
    }
}

/// An address with its port: `127.0.0.1:1868`, `[::1]:1868`.
struct ListenAddress: Equatable {
    let host: String
    let port: Int

    /// - Throws: A sentence when it is none.
    init(_ text: String) throws {
        guard let colon = text.lastIndex(of: ":"),
            let port = Int(text[text.index(after: colon)...]), (0...65_535).contains(port)
        else { throw Self.refusal }
        var host = String(text[..<colon])
        if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
        // Without brackets nobody can tell where an IPv6 address ends.
        guard !host.isEmpty, !host.contains(":") || text.hasPrefix("[") else { throw Self.refusal }
        self.host = host
        self.port = port
    }

    private static let refusal = ValidationError(
        "HOST:PORT is wanted, such as 127.0.0.1:1868 or [::1]:1868"
    )
}

/// A sentence for the operator; the exit code is 1.
struct Failure: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }
}
