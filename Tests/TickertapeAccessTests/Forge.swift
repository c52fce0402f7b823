import Foundation
import JWTKit
import Logging
import Synchronization
import TickertapeCore
import TickertapeLog
import TickertapeTestSupport
import TickertapeWire

@testable import TickertapeAccess

/// Makes tokens, good and bad, byte by byte.
struct Forge: Sendable {
    let algorithm: any JWTAlgorithm
    /// As `--jwt-key-file` or `--jwt-secret-file` takes it.
    let publicText: String
    let name: String

    static let secret = "a secret of more than thirty-two bytes"

    static func rsa(_ pem: String = KeyFixtures.rsaPrivate) async throws -> Forge {
        let key = try JWTKit.Insecure.RSA.PrivateKey(pem: pem)
        let keys = await JWTKeyCollection().add(rsa: key, digestAlgorithm: .sha256)
        return Forge(
            algorithm: try await keys.getKey(),
            publicText: key.publicKey.pemRepresentation,
            name: "RS256"
        )
    }

    static func p256(_ key: ES256PrivateKey = ES256PrivateKey()) async throws -> Forge {
        let keys = await JWTKeyCollection().add(ecdsa: key)
        return Forge(
            algorithm: try await keys.getKey(),
            publicText: key.publicKey.pemRepresentation,
            name: "ES256"
        )
    }

    static func ed25519() async throws -> Forge {
        let key = try EdDSA.PrivateKey()
        let keys = await JWTKeyCollection().add(eddsa: key)
        return Forge(
            algorithm: try await keys.getKey(),
            publicText: key.publicKey.pemRepresentation,
            name: "EdDSA"
        )
    }

    static func secret(_ secret: String = Self.secret) async throws -> Forge {
        let keys = await JWTKeyCollection().add(
            hmac: HMACKey(from: secret),
            digestAlgorithm: .sha256
        )
        return Forge(algorithm: try await keys.getKey(), publicText: secret, name: "HS256")
    }

    static func all() async throws -> [Forge] {
        [try await .rsa(), try await .p256(), try await .ed25519(), try await .secret()]
    }

    /// A payload that is good until `exp`.
    static func payload(exp: Int = 2_000, more: String = "") -> String {
        #"{"exp":\#(exp),"tickertape":{"publish":["a/*"],"subscribe":["a/**"]}\#(more)}"#
    }

    func sign(header: String? = nil, _ payload: String = Self.payload()) throws -> String {
        let header = header ?? #"{"alg":"\#(self.name)"}"#
        return try self.sign(header: Array(header.utf8), Array(payload.utf8))
    }

    func sign(header: [UInt8], _ payload: [UInt8]) throws -> String {
        let signed = "\(Base64URL.encode(header)).\(Base64URL.encode(payload))"
        let signature = try self.algorithm.sign(Array(signed.utf8))
        return "\(signed).\(Base64URL.encode(signature))"
    }
}

/// An authenticator with key files of its own.
final class Bench: Sendable {
    let folder: TemporaryFolder
    let tokens = TokenBoard()
    let log = LogLines()
    let authenticator: Authenticator

    /// When tokens of `Forge.payload()` are good: 1,000 s after 1970.
    static let now: Int64 = 1_000_000

    // The files of keys are called `0`, `1`…, those of secrets `s0`, `s1`…
    init(
        keys: [String] = [],
        secrets: [String] = [],
        limits: Limits = Limits(),
        _ change: (inout Authenticator.Configuration) -> Void = { _ in }
    ) throws {
        self.folder = try TemporaryFolder()
        var configuration = Authenticator.Configuration()
        configuration.isOpen = false
        for (index, text) in keys.enumerated() {
            let path = "\(self.folder.path)/\(index)"
            try Data(text.utf8).write(to: URL(fileURLWithPath: path))
            configuration.jwtKeyFiles.append(path)
        }
        for (index, text) in secrets.enumerated() {
            let path = "\(self.folder.path)/s\(index)"
            try Data(text.utf8).write(to: URL(fileURLWithPath: path))
            try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path)
            configuration.jwtSecretFiles.append(path)
        }
        change(&configuration)
        let lines = self.log
        self.authenticator = try Authenticator(
            configuration,
            tokens: self.tokens,
            limits: limits,
            logger: Logger(label: "test") { _ in lines }
        )
    }

    convenience init(_ forges: Forge..., limits: Limits = Limits()) throws {
        try self.init(
            keys: forges.filter { $0.name != "HS256" }.map(\.publicText),
            secrets: forges.filter { $0.name == "HS256" }.map(\.publicText),
            limits: limits
        )
    }

    /// Puts another file in the place of key file `index`.
    func replaceKeys(_ index: Int = 0, with text: String) throws {
        let path = "\(self.folder.path)/\(index)"
        // Renamed over the old one, as tools do it.
        try Data(text.utf8).write(to: URL(fileURLWithPath: path), options: .atomic)
    }

    func verify(_ credential: String, now: Int64 = Bench.now) async -> Verdict {
        await self.authenticator.verify(credential, now: now)
    }

    /// Why it is refused, asked twice: the second answer comes from what is kept.
    func refusal(_ credential: String, now: Int64 = Bench.now) async -> String? {
        let first = await self.verify(credential, now: now).refusal
        let second = await self.verify(credential, now: now).refusal
        return first == second ? first : "it was refused for \(first ?? "") and \(second ?? "")"
    }
}

extension Verdict {
    var access: Access? {
        guard case .granted(let access) = self else { return nil }
        return access
    }

    /// The detail of a 401.
    var refusal: String? {
        guard case .refused(let problem) = self else { return nil }
        return problem.code == .invalidToken ? problem.detail : "\(problem)"
    }
}

/// What was logged.
final class LogLines: LogHandler, Sendable {
    private let kept = Mutex<[String]>([])

    /// `level: sentence`, then the metadata.
    var lines: [String] { self.kept.withLock { $0 } }

    func log(event: LogEvent) {
        let fields = (event.metadata ?? [:]).sorted { $0.key < $1.key }.map {
            "\($0.key)=\($0.value)"
        }
        let line = "\(event.level): \(event.message) \(fields.joined(separator: " "))"
        self.kept.withLock { $0.append(line) }
    }

    subscript(metadataKey _: String) -> Logger.Metadata.Value? {
        get { nil }
        set { _ = newValue }
    }

    var metadata: Logger.Metadata {
        get { [:] }
        set { _ = newValue }
    }

    var logLevel: Logger.Level {
        get { .trace }
        set { _ = newValue }
    }
}
