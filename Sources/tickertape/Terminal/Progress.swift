import Foundation
import Synchronization

/// One line on standard error that says how far something is; nothing where no terminal is.
///
/// Any thread.
final class Progress: Sendable {
    private struct State {
        var shownAt: ContinuousClock.Instant?
        var isShown = false
    }

    private static let interval = Duration.milliseconds(150)

    private let isTerminal: Bool
    private let state = Mutex(State())

    init(isTerminal: Bool = Output.isErrorTerminal) {
        self.isTerminal = isTerminal
    }

    /// Shows the text, at most a few times a second.
    func show(_ text: @autoclosure () -> String) {
        guard self.isTerminal else { return }
        let now = ContinuousClock.now
        self.state.withLock { state in
            if let last = state.shownAt, now - last < Self.interval { return }
            state.shownAt = now
            state.isShown = true
            let columns = Output.size(of: 2).columns
            Output.writeError("\r\u{1B}[K\(clipped(text(), to: columns - 1))")
        }
    }

    /// Takes the line away, for what is said after it.
    func clear() {
        self.state.withLock { state in
            guard state.isShown else { return }
            state = State()
            Output.writeError("\r\u{1B}[K")
        }
    }

    /// Shows the text and the time it takes, as long as `work` does; at first nothing, for most of
    /// it is done before one could read that.
    static func during<Result>(
        _ text: String,
        _ work: () async throws -> Result
    ) async throws -> Result {
        let progress = Progress()
        guard progress.isTerminal else { return try await work() }
        let started = ContinuousClock.now
        let ticker = Task {
            while !Task.isCancelled {
                try await Task.sleep(for: .milliseconds(500))
                let seconds = Double((ContinuousClock.now - started).components.seconds)
                progress.show("\(text) … \(Quantity.duration(seconds: max(1, seconds)))")
            }
        }
        defer {
            ticker.cancel()
            progress.clear()
        }
        return try await work()
    }
}
