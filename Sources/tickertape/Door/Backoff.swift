/// Waits between attempts: longer each time, and never the same for two processes.
struct Backoff {
    private static let firstMilliseconds = 100
    private static let lastMilliseconds = 5_000

    private var milliseconds = Self.firstMilliseconds

    mutating func next() -> Duration {
        let wait = Int.random(in: self.milliseconds / 2...self.milliseconds)
        self.milliseconds = min(Self.lastMilliseconds, self.milliseconds * 2)
        return .milliseconds(wait)
    }
}
