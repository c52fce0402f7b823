import Foundation
import UnixSignals

/// Ends what has no end of its own.
enum Interruption {
    /// Runs `work` until it ends, Ctrl-C is pressed, or nobody reads our output any more.
    ///
    /// What is interrupted is not waited for: it may be writing to a pipe that nobody empties.
    ///
    /// - Throws: What `work` throws; an end from outside is none.
    static func racing(_ work: @escaping @Sendable () async throws -> Void) async throws {
        let signals = await UnixSignalsSequence(trapping: .sigint, .sigterm, .sighup)
        let (ends, end) = AsyncStream<Result<Void, any Error>>.makeStream(
            bufferingPolicy: .bufferingOldest(1)
        )
        let working = Task {
            do {
                try await work()
                end.yield(.success(()))
            } catch {
                end.yield(.failure(error))
            }
        }
        let listening = Task {
            for await _ in signals { end.yield(.success(())) }
        }
        Self.watchOutput { end.yield(.success(())) }
        defer {
            working.cancel()
            listening.cancel()
        }
        for await result in ends { return try result.get() }
    }

    /// Calls back when the other end of a pipe is closed: `| head -1` has its line, and we may have
    /// nothing to write for hours.
    private static func watchOutput(_ isClosed: @escaping @Sendable () -> Void) {
        let thread = Thread {
            var output = pollfd(fd: STDOUT_FILENO, events: 0, revents: 0)
            while true {
                let count = poll(&output, 1, -1)
                if count > 0, output.revents & Int16(POLLERR | POLLHUP) != 0 { return isClosed() }
                // Not something that can be watched.
                if count >= 0 || errno != EINTR { return }
            }
        }
        thread.name = "tt-output"
        thread.start()
    }
}
