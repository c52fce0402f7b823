import NIOCore
import NIOSSL
import Synchronization
import TickertapeCore

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Where certificate and key stand.
package struct TLSFiles: Sendable, Equatable {
    /// PEM: the certificate of the server, then those up to its root.
    package let certificate: String
    /// PEM.
    package let key: String

    package init(certificate: String, key: String) {
        self.certificate = certificate
        self.key = key
    }
}

/// Why certificate and key cannot be used, as a sentence.
package struct TLSFailure: Error, Equatable, CustomStringConvertible {
    package let description: String
}

/// With what TLS connections begin; changed while the others go on.
///
/// Any thread.
final class TLSContext: Sendable {
    private let files: TLSFiles
    private let limits: Limits
    private let context: Mutex<NIOSSLContext>

    /// - Throws: `TLSFailure`.
    init(_ files: TLSFiles, _ limits: Limits) throws {
        self.files = files
        self.limits = limits
        self.context = Mutex(try Self.load(files, limits))
    }

    private var current: NIOSSLContext { self.context.withLock { $0 } }

    /// What a new connection begins with.
    func makeHandler() -> NIOSSLServerHandler {
        var configuration = NIOSSLHandler.Configuration()
        // The most that was ever written at once would otherwise stay with each connection.
        configuration.maximumPreservedOutboundBufferCapacity = 32_768
        return NIOSSLServerHandler(
            context: self.current,
            customVerificationCallback: nil,
            configuration: configuration
        )
    }

    /// Reads the files again; what is open keeps what it has.
    ///
    /// - Throws: `TLSFailure`; what was used before is used on.
    func reload() throws {
        let next = try Self.load(self.files, self.limits)
        self.context.withLock { $0 = next }
    }

    /// When the first certificate in use ends, in seconds since 1970.
    var endSeconds: Int64? {
        guard case .certificate(let first) = self.current.configuration.certificateChain.first
        else { return nil }
        return Int64(first.notValidAfter)
    }

    private static func load(_ files: TLSFiles, _ limits: Limits) throws -> NIOSSLContext {
        let chain = try self.certificates(files.certificate)
        let key = try self.key(files.key)
        do {
            return try NIOSSLContext(configuration: self.configuration(chain, key, limits))
        } catch NIOSSLError.failedToLoadPrivateKey {
            throw TLSFailure(
                description: """
                    the key in \(files.key) does not belong to the certificate in \
                    \(files.certificate)
                    """
            )
        } catch {
            throw TLSFailure(
                description: """
                    the certificate in \(files.certificate) and the key in \(files.key) cannot be \
                    used for TLS: \(error)
                    """
            )
        }
    }

    private static func certificates(_ path: String) throws -> [NIOSSLCertificate] {
        let bytes = try self.bytes(path, "certificate")
        guard let chain = try? NIOSSLCertificate.fromPEMBytes(bytes), !chain.isEmpty else {
            throw TLSFailure(description: "\(path) holds no certificate in PEM")
        }
        return chain
    }

    private static func key(_ path: String) throws -> NIOSSLPrivateKey {
        let bytes = try self.bytes(path, "key")
        guard let key = try? NIOSSLPrivateKey(bytes: bytes, format: .pem) else {
            throw TLSFailure(
                description: "\(path) holds no private key in PEM, or one with a passphrase"
            )
        }
        return key
    }

    private static func bytes(_ path: String, _ what: String) throws -> [UInt8] {
        guard let file = fopen(path, "r") else { throw self.unreadable(path, what) }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 65_536)
        while bytes.count < self.fileBytesMax {
            let count = fread(&piece, 1, piece.count, file)
            guard count > 0 else { break }
            bytes += piece[..<count]
        }
        guard ferror(file) == 0 else { throw self.unreadable(path, what) }
        return bytes
    }

    private static func unreadable(_ path: String, _ what: String) -> TLSFailure {
        let reason = String(cString: strerror(errno))
        return TLSFailure(description: "the \(what) file \(path) cannot be read: \(reason)")
    }

    /// No chain is as long as that.
    private static let fileBytesMax = 4_194_304

    /// Mozilla's "intermediate": TLS 1.2 with forward secrecy and authenticated encryption only,
    /// and TLS 1.3.
    private static func configuration(
        _ chain: [NIOSSLCertificate],
        _ key: NIOSSLPrivateKey,
        _ limits: Limits
    ) -> TLSConfiguration {
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain.map { .certificate($0) },
            privateKey: .privateKey(key)
        )
        configuration.minimumTLSVersion = .tlsv12
        // For TLS 1.2 the one that HTTP/2 requires (RFC 9113 §9.2.2), which every client has: so it
        // is the server that decides.
        configuration.cipherSuiteValues = [
            .TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, .TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        ]
        configuration.curves = [.x25519, .secp256r1, .secp384r1]
        configuration.applicationProtocols = ["h2", "http/1.1"]
        // A peer that does not answer the end is not waited for any longer than elsewhere.
        configuration.shutdownTimeout = .nanoseconds(Int64(limits.lingerSeconds * 1_000_000_000))
        return configuration
    }
}
