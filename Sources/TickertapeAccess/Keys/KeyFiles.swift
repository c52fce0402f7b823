import Logging
import Synchronization
import TickertapeCore

/// The files keys are read from, and the keys in force.
///
/// Any thread. A file that cannot be used any more keeps the keys it had; the others still change.
final class KeyFiles: Sendable {
    private struct Source: Sendable {
        let path: String
        let kind: KeyFileContent.Kind
        /// As it was read last, for good or ill; nothing when it was not there.
        var stamp: KeyFile.Stamp?
        /// Whether it is read again although it looks the same.
        var isSettled = false
        var digest: [UInt8] = []
        var keys: [VerificationKey] = []
        /// What is wrong with it, and was logged.
        var fault: String?
    }

    /// Held while files are read; `ring` alone is asked on the way of a request.
    private let sources: Mutex<[Source]>
    private let ring: Mutex<KeyRing>
    private let changes = Atomic<Int>(0)
    private let limits: Limits
    private let logger: Logger

    /// Reads all files.
    ///
    /// - Throws: A sentence that names the file, when one cannot be used.
    init(
        secretFiles: [String],
        keyFiles: [String],
        limits: Limits,
        logger: Logger
    ) throws(KeyFileError) {
        self.limits = limits
        self.logger = logger
        var sources =
            secretFiles.map { Source(path: $0, kind: .secret) }
            + keyFiles.map { Source(path: $0, kind: .keys) }
        for index in sources.indices {
            do {
                _ = try Self.read(&sources[index], limits, logger)
            } catch {
                throw KeyFileError("the key file \(sources[index].path) cannot be used: \(error)")
            }
        }
        self.ring = Mutex(KeyRing(sources.flatMap(\.keys)))
        self.sources = Mutex(sources)
    }

    /// Grows with each change of the keys, after they are in force.
    var version: Int { self.changes.load(ordering: .acquiring) }

    var current: KeyRing { self.ring.withLock { $0 } }

    func holds(thumbprint: String) -> Bool {
        self.ring.withLock { $0.holds(thumbprint: thumbprint) }
    }

    var hasFiles: Bool { self.sources.withLock { !$0.isEmpty } }

    /// Reads what has changed.
    ///
    /// - Parameter all: Whether to read the files that look the same too.
    func reload(all: Bool = false) {
        self.sources.withLock { sources in
            var isChanged = false
            for index in sources.indices {
                isChanged = self.update(&sources[index], all: all) || isChanged
            }
            guard isChanged else { return }
            let keys = KeyRing(sources.flatMap(\.keys))
            let isNew = self.ring.withLock { ring in
                defer { ring = keys }
                return ring.names != keys.names
            }
            if isNew { self.changes.add(1, ordering: .acquiringAndReleasing) }
        }
    }

    /// - Returns: Whether the file holds something else than before.
    private func update(_ source: inout Source, all: Bool) -> Bool {
        let stamp = KeyFile.stamp(of: source.path)
        guard all || stamp != source.stamp || stamp != nil && !source.isSettled else {
            return false
        }
        let isAnotherFile = stamp != source.stamp
        do {
            guard try Self.read(&source, self.limits, self.logger) else { return false }
            self.logger.info(
                "Keys were read again.",
                metadata: [
                    "tickertape.path": "\(source.path)", "tickertape.keys": "\(source.keys.count)",
                ]
            )
            return true
        } catch {
            source.stamp = stamp
            source.isSettled = stamp?.isSettled ?? true
            // Said once, and again to whoever asks.
            guard all || isAnotherFile || source.fault != error.description else { return false }
            source.fault = error.description
            self.logger.error(
                "A key file cannot be used any more; the keys it held stay in force.",
                metadata: [
                    "tickertape.path": "\(source.path)", "tickertape.error": "\(error)",
                ]
            )
            return false
        }
    }

    /// - Returns: Whether it holds something else than before.
    private static func read(
        _ source: inout Source,
        _ limits: Limits,
        _ logger: Logger
    ) throws(KeyFileError) -> Bool {
        let file = try KeyFile(source.path, bytesMax: limits.keyFileBytesMax)
        // What it held before, or holds still: nothing to take apart.
        let isSame = file.digest == source.digest
        if !isSame || source.fault != nil {
            let content = try KeyFileContent(file.bytes, source.kind, keysMax: limits.fileKeysMax)
            if !isSame {
                source.keys = content.keys
                self.warn(of: content, in: file, source.path, logger)
            }
        }
        source.digest = file.digest
        source.stamp = file.stamp
        source.isSettled = file.stamp.isSettled
        source.fault = nil
        return !isSame
    }

    private static func warn(
        of content: KeyFileContent,
        in file: KeyFile,
        _ path: String,
        _ logger: Logger
    ) {
        for reason in content.skipped {
            logger.warning(
                "A key of a key set is not used.",
                metadata: ["tickertape.path": "\(path)", "tickertape.reason": "\(reason)"]
            )
        }
        guard content.isSecret, file.stamp.isReadByOthers else { return }
        logger.warning(
            "A file with a secret can be read by others: whoever reads it can make tokens.",
            metadata: [
                "tickertape.path": "\(path)",
                "tickertape.mode": "0\(String(file.stamp.mode & 0o777, radix: 8))",
            ]
        )
    }
}
