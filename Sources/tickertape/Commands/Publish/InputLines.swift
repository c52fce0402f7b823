import Foundation

/// Whole lines as they come in: one thread reads ahead while what came before is being published,
/// and whoever is ready to publish takes all that has come together meanwhile.
///
/// Lines that trickle in leave one by one, and lines that pour in leave by the thousand.
final class InputLines: @unchecked Sendable {
    // Safety: all state is used under `condition`.

    /// Read ahead at most; then the reader waits, and with it whoever writes to our input.
    static let aheadBytesMax = 1_048_576

    private let file: Int32
    private let condition = NSCondition()
    private var bytes: [UInt8] = []
    /// Behind the last end of a line.
    private var wholeCount = 0
    private var isAtEnd = false
    private var isStopped = false
    private var failure: (any Error)?
    private var waiting: CheckedContinuation<Void, Never>?

    init(_ file: Int32) {
        self.file = file
    }

    /// Begins to read; once.
    func start() {
        let thread = Thread { [self] in self.readAll() }
        thread.name = "tt-input"
        thread.start()
    }

    /// Ends the input where it is; a line without an end is left out.
    func stop() {
        self.condition.withLock { self.isStopped = true }
        self.finish(nil, keepsRest: false)
    }

    /// Whether it was ended before its end.
    var wasStopped: Bool { self.condition.withLock { self.isStopped } }

    /// All whole lines that are there, with their ends, waiting for the first; `nil` at the end.
    ///
    /// - Throws: When the input cannot be read.
    func next() async throws -> [UInt8]? {
        while true {
            if let taken = try self.take() { return taken.isEmpty ? nil : taken }
            await withCheckedContinuation { continuation in
                let isReady = self.condition.withLock {
                    if self.wholeCount > 0 || self.isAtEnd { return true }
                    self.waiting = continuation
                    return false
                }
                if isReady { continuation.resume() }
            }
        }
    }

    /// Empty at the end, `nil` when there is nothing yet.
    private func take() throws -> [UInt8]? {
        try self.condition.withLock {
            if self.wholeCount > 0 {
                let rest = Array(self.bytes[self.wholeCount...])
                self.bytes.removeLast(rest.count)
                let taken = self.bytes
                self.bytes = rest
                self.wholeCount = 0
                self.condition.signal()
                return taken
            }
            guard self.isAtEnd else { return nil }
            if let failure = self.failure { throw failure }
            return []
        }
    }

    private func readAll() {
        do {
            while true {
                var read: [UInt8] = []
                let count = try InputFile.read(self.file, upTo: 262_144, into: &read)
                guard count > 0 else { return self.finish(nil, keepsRest: true) }
                guard try self.add(read) else { return }
            }
        } catch {
            self.finish(error, keepsRest: false)
        }
    }

    /// - Returns: Whether to go on reading.
    private func add(_ read: [UInt8]) throws -> Bool {
        let waiting: CheckedContinuation<Void, Never>? = try self.condition.withLock {
            while self.wholeCount > 0, self.bytes.count >= Self.aheadBytesMax, !self.isAtEnd {
                self.condition.wait()
            }
            if let end = read.lastIndex(of: UInt8(ascii: "\n")) {
                self.wholeCount = self.bytes.count + end + 1
            }
            self.bytes += read
            guard self.bytes.count - self.wholeCount <= InputFile.payloadBytesMax else {
                throw CommandFailure("a line is longer than 64 MiB, which no broker takes")
            }
            return self.wholeCount > 0 ? self.takeWaiting() : nil
        }
        waiting?.resume()
        return !self.condition.withLock { self.isAtEnd }
    }

    private func finish(_ error: (any Error)?, keepsRest: Bool) {
        let waiting: CheckedContinuation<Void, Never>? = self.condition.withLock {
            guard !self.isAtEnd else { return nil }
            self.isAtEnd = true
            self.failure = error
            // The last line counts without its end, too.
            if keepsRest { self.wholeCount = self.bytes.count }
            self.condition.signal()
            return self.takeWaiting()
        }
        waiting?.resume()
    }

    private func takeWaiting() -> CheckedContinuation<Void, Never>? {
        defer { self.waiting = nil }
        return self.waiting
    }
}
