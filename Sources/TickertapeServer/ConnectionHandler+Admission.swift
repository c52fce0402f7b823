import NIOCore
import NIOHTTP1
import TickertapeAccess
import TickertapeBroker
import TickertapeCore
import TickertapeWire

/// How a connection waits: for a credential to be verified, and for its client to slow down.
extension ConnectionHandler {
    var isVerifying: Bool {
        if case .verifying = self.current { return true }
        return false
    }

    func holds(_ publish: PlainPublish) -> Bool { self.server.admission.holds(publish.admitted) }

    func verify(_ credential: String, for head: HTTPServerRequestPart) {
        self.current = .verifying(head)
        let authenticator = self.server.admission.authenticator
        let now = self.server.admission.nowMilliseconds
        let loop = self.server.fanout.eventLoop
        loop.makeFutureWithTask { await authenticator.verify(credential, now: now) }
            .assumeIsolated().whenSuccess { verdict in self.verified(credential, verdict) }
    }

    private func verified(_ credential: String, _ verdict: Verdict) {
        guard self.phase == .open, case .verifying(let head) = self.current else { return }
        self.current = .none
        self.machine.verified(credential, verdict)
        self.held.prepend(head)
        self.takeHeld()
    }

    /// Gives back the room of pages of history once they are taken, all but some last bytes.
    func letGoHistory() {
        guard self.historyBytes > 0, self.phase == .closed || self.isTaken else { return }
        self.server.letGoHistory(self.historyBytes)
        self.historyBytes = 0
    }

    private var isTaken: Bool { self.context?.channel.isWritable ?? true }

    /// Answers a publish that came too soon, and does not read on for a moment: who does not
    /// wait by itself costs no more than who does.
    func throttle(_ excess: RateExceeded, _ end: RequestEnd) {
        self.isThrottled = true
        self.setReading(false)
        let seconds = min(excess.seconds, self.server.limits.throttleSecondsMax)
        self.server.fanout.eventLoop.assumeIsolated().scheduleTask(
            in: .nanoseconds(Int64(seconds * 1_000_000_000))
        ) { self.endThrottle() }
        self.enqueue(excess.problem, end)
    }

    private func endThrottle() {
        self.isThrottled = false
        guard self.phase == .open else { return }
        if self.held.isEmpty && !self.cannotStart { self.setReading(true) }
        self.takeHeld()
    }
}
