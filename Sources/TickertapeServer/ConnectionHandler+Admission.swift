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

    /// Whether the head that is verified was the one request in what was read.
    var isVerifyingOneRequest: Bool {
        let hasNext = self.held.contains { part in
            if case .head = part { return true }
            return false
        }
        return self.isVerifying && self.machine.headsSeen == 1 && !hasNext
    }

    func holds(_ publish: PlainPublish) -> Bool { self.server.admission.holds(publish.admitted) }

    func verify(_ credential: String, for head: HTTPServerRequestPart) {
        self.current = .verifying(head)
        let authenticator = self.server.admission.authenticator
        // Before it is asked: what changes meanwhile is asked about again.
        let generation = authenticator.generation
        let now = self.server.admission.nowMilliseconds
        let loop = self.server.fanout.eventLoop
        loop.makeFutureWithTask { await authenticator.verify(credential, now: now) }
            .assumeIsolated().whenSuccess { verdict in
                self.take(
                    .init(credential: credential, verdict: verdict, generation: generation)
                )
            }
    }

    private func take(_ verified: RequestMachine.Verified) {
        guard self.phase == .open, case .verifying(let head) = self.current else { return }
        self.current = .none
        self.machine.take(verified)
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
        // What comes and cannot be started stops it again.
        if self.held.isEmpty { self.setReading(true) }
        self.takeHeld()
    }
}
