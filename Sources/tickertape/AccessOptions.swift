import ArgumentParser
import Logging
import TickertapeAccess
import TickertapeCore
import TickertapeServer

/// Who may use the public port.
struct AccessOptions: ParsableArguments {
    @Flag(
        help: """
            Everything needs a grant: an access token (see "tickertape token"), a JWT, or what \
            --anonymous-… gives to everyone.
            """
    )
    var auth = false

    @Flag(help: "Listen on an address others reach, though everyone may do everything.")
    var open = false

    @Option(
        help: .init(
            "With --auth: topics that anyone may follow. May be repeated, as all that take lists.",
            valueName: "pattern"
        )
    )
    var anonymousSubscribe: [String] = []

    @Option(
        help: .init("With --auth: topics that anyone may publish to.", valueName: "pattern")
    )
    var anonymousPublish: [String] = []

    @Option(
        help: .init("With --auth: topics that anyone may stop.", valueName: "pattern")
    )
    var anonymousStop: [String] = []

    @Option(
        help: .init(
            "With --auth: a file with a secret of 32 bytes or more, for JWTs with HS256.",
            valueName: "file"
        )
    )
    var jwtSecretFile: [String] = []

    @Option(
        help: .init(
            """
            With --auth: public keys of those who sign JWTs, a PEM file or a JWKS file, for RS256, \
            ES256 and EdDSA. Read again when it changes.
            """,
            valueName: "file"
        )
    )
    var jwtKeyFile: [String] = []

    @Option(help: .init("With --auth: the 'iss' that JWTs must have.", valueName: "issuer"))
    var jwtIssuer: String?

    @Option(
        help: .init("With --auth: the 'aud' of which JWTs must have one.", valueName: "audience")
    )
    var jwtAudience: [String] = []

    @Option(help: .init("The cookie that carries a credential.", valueName: "name"))
    var authCookie = AdmissionRules().cookieName

    @Option(
        help: .init(
            """
            Pages that may use the broker from elsewhere: https://app.example.com, \
            https://*.example.com, or * for all, without cookies.
            """,
            valueName: "origin"
        )
    )
    var allowOrigin: [String] = []

    @Option(
        help: .init(
            """
            Without --auth: names of this host besides localhost, addresses and names without a \
            dot.
            """,
            valueName: "name"
        )
    )
    var allowHost: [String] = []

    @Option(
        parsing: .unconditional,
        help: .init(
            """
            Seconds for which browsers that came by TLS are told to come by nothing else \
            (Strict-Transport-Security); for every port of this host. (default: not told)
            """,
            valueName: "seconds"
        )
    )
    var hstsSeconds: Int?

    @Option(
        help: .init(
            """
            Proxies whose Forwarded or X-Forwarded-For is believed: 10.0.0.0/8, fd00::/8, or one \
            address.
            """,
            valueName: "cidr"
        )
    )
    var trustedProxy: [String] = []

    @Option(
        parsing: .unconditional,
        help: """
            Connections of one address. (default: half of all; loopback without bound)
            """
    )
    var clientMaxConnections: Int?

    @Option(
        parsing: .unconditional,
        help: """
            Event streams and WebSockets of one client, which is a token, or an address without \
            one. (default: half of all; loopback without bound)
            """
    )
    var clientMaxStreams: Int?

    @Option(
        parsing: .unconditional,
        help: "Publishes per second of one client. (default: no bound)"
    )
    var clientPublishesPerSecond: Double?

    @Option(
        parsing: .unconditional,
        help: "Bytes per second that one client publishes. (default: no bound)"
    )
    var clientBytesPerSecond: Double?

    static let flagNames: Set<String> = ["--auth", "--open"]
    /// Those that may be repeated.
    static let listNames: Set<String> = [
        "--anonymous-subscribe", "--anonymous-publish", "--anonymous-stop", "--jwt-secret-file",
        "--jwt-key-file", "--jwt-audience", "--allow-origin", "--allow-host", "--trusted-proxy",
    ]
    static let optionNames: Set<String> = flagNames.union(listNames).union([
        "--jwt-issuer", "--auth-cookie", "--hsts-seconds", "--client-max-connections",
        "--client-max-streams",
        "--client-publishes-per-second", "--client-bytes-per-second",
    ])

    func validate() throws {
        _ = try self.anonymousGrant()
        _ = try self.rules(host: "127.0.0.1")
        if self.auth && self.open {
            throw ValidationError("--auth and --open exclude each other.")
        }
        if !self.auth { try self.refuseWhatNeedsAuth() }
        guard !self.authCookie.isEmpty, self.authCookie.utf8.allSatisfy(Self.isTokenByte) else {
            throw ValidationError("--auth-cookie is a name such as tickertape_token.")
        }
        guard (0...315_360_000).contains(self.hstsSeconds ?? 0) else {
            throw ValidationError("--hsts-seconds should be 0 to 315360000, ten years.")
        }
        let counts = [
            ("--client-max-connections", self.clientMaxConnections),
            ("--client-max-streams", self.clientMaxStreams),
        ]
        for (name, count) in counts where !(1...1_000_000).contains(count ?? 1) {
            throw ValidationError("\(name) should be 1 to 1000000.")
        }
        let rates = [
            ("--client-publishes-per-second", self.clientPublishesPerSecond),
            ("--client-bytes-per-second", self.clientBytesPerSecond),
        ]
        for (name, rate) in rates where !(0.001...1e12).contains(rate ?? 1) {
            throw ValidationError("\(name) should be 0.001 to 1000000000000.")
        }
    }

    private func refuseWhatNeedsAuth() throws {
        let given: [(String, Bool)] = [
            ("--anonymous-subscribe", !self.anonymousSubscribe.isEmpty),
            ("--anonymous-publish", !self.anonymousPublish.isEmpty),
            ("--anonymous-stop", !self.anonymousStop.isEmpty),
            ("--jwt-secret-file", !self.jwtSecretFile.isEmpty),
            ("--jwt-key-file", !self.jwtKeyFile.isEmpty),
            ("--jwt-issuer", self.jwtIssuer != nil),
            ("--jwt-audience", !self.jwtAudience.isEmpty),
        ]
        guard let (name, _) = given.first(where: \.1) else { return }
        throw ValidationError(
            "\(name) means nothing in a broker that is open to everyone; give --auth too."
        )
    }

    /// The characters of a cookie's name (RFC 9110 §5.6.2).
    private static func isTokenByte(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
        default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
        }
    }

    private func anonymousGrant() throws -> Grant {
        Grant(
            publish: try Self.patterns(self.anonymousPublish, "--anonymous-publish"),
            subscribe: try Self.patterns(self.anonymousSubscribe, "--anonymous-subscribe"),
            stop: try Self.patterns(self.anonymousStop, "--anonymous-stop")
        )
    }

    private static func patterns(_ texts: [String], _ option: String) throws -> [TopicPattern] {
        guard texts.count <= Grant.patternsMax else {
            throw ValidationError("\(option) takes at most \(Grant.patternsMax) patterns.")
        }
        return try texts.map { text in
            do throws(TopicRule) {
                return try TopicPattern(text)
            } catch {
                throw ValidationError("\(option) is '\(text)': \(error.sentence).")
            }
        }
    }

    func authentication() throws -> Authenticator.Configuration {
        var configuration = Authenticator.Configuration()
        configuration.isOpen = !self.auth
        configuration.anonymous = try self.anonymousGrant()
        configuration.jwtSecretFiles = self.jwtSecretFile
        configuration.jwtKeyFiles = self.jwtKeyFile
        configuration.issuer = self.jwtIssuer
        configuration.audiences = self.jwtAudience
        return configuration
    }

    func rules(host: String) throws -> AdmissionRules {
        var rules = AdmissionRules()
        rules.cookieName = self.authCookie
        rules.browsers.checksHost = !self.auth
        rules.browsers.hosts = Set((self.allowHost + [host]).map { $0.lowercased() })
        rules.browsers.allowedOrigins = try self.allowOrigin.map { text in
            do throws(InvalidOrigin) {
                return try AllowedOrigin(text)
            } catch {
                throw ValidationError("--allow-origin: \(error.sentence).")
            }
        }
        rules.browsers.strictTransportSeconds = self.hstsSeconds
        rules.proxies = TrustedProxies(
            try self.trustedProxy.map { text in
                guard let block = AddressBlock(text) else {
                    throw ValidationError(
                        "--trusted-proxy is '\(text)', but should be a network such as "
                            + "10.0.0.0/8, its last bits zero, or one address."
                    )
                }
                return block
            }
        )
        return rules
    }

    func apply(to limits: inout Limits) {
        limits.clientConnectionsMax = self.clientMaxConnections
        limits.clientStreamsMax = self.clientMaxStreams
        limits.clientPublishesPerSecond = self.clientPublishesPerSecond
        limits.clientBytesPerSecond = self.clientBytesPerSecond
    }

    /// - Throws: When others could reach a broker that lets everyone do everything.
    func checkMode(host: String, _ logger: Logger) throws {
        guard !self.auth, !Self.isLoopback(host) else { return }
        guard self.open else {
            throw Failure(
                "tickertape cannot listen on \(host), where others reach it, while everyone may "
                    + "do everything: give --auth, or --open if that is what you want"
            )
        }
        logger.warning(
            "open to everyone who reaches it; --auth asks for grants",
            metadata: ["tickertape.host": "\(host)"]
        )
    }

    private static func isLoopback(_ host: String) -> Bool {
        if host.lowercased() == "localhost" { return true }
        return IPAddress(host).map(\.isLoopback) ?? false
    }
}
