import NIOCore
import NIOHTTP1
import TickertapeAccess
import TickertapeBroker
import TickertapeCore
import TickertapeWire

/// How a connection waits: for a credential to be verified, and for its client to slow down.
extension ConnectionHandler {
    /// Whether the head that is verified was the one request in what was read.
    var isVerifyingOneRequest: Bool {
        guard case .verifying = self.current, self.machine.headsSeen == 1 else { return false }
        return !self.held.contains { part in
            if case .head = part { return true }
            return false
        }
    }

    func holds(_ publish: PlainPublish) -> Bool { self.server.admission.holds(publish.admitted) }

    /// Whether who was admitted to another topic is to this one.
    func mayTake(_ publish: PlainPublish) -> Bool {
        let access = publish.admitted.access
        return (try? self.server.admission.checkPublish(access, to: publish.target.topic)) != nil
    }

    func verify(_ credential: String, for head: HTTPServerRequestPart) {
        self.current = .verifying(head)
        self.server.admission.verify(credential, on: self.server.fanout.eventLoop) {
            self.take($0)
        }
    }

    private func take(_ verified: CheckedCredential) {
        guard self.phase == .open, case .verifying(let head) = self.current else { return }
        self.current = .none
        self.machine.take(verified)
        self.held.prepend(head)
        self.takeHeld()
    }

    /// Answers a publish that came too soon, and does not read on for a moment.
    func throttle(_ excess: RateExceeded, _ end: RequestEnd) {
        self.isThrottled = true
        self.setReading(false)
        self.server.admission.throttle(excess, on: self.server.fanout.eventLoop) {
            self.endThrottle()
        }
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
