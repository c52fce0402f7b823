import NIOCore
import TickertapeAccess
import TickertapeBroker
import TickertapeCore
import TickertapeWire

/// Who may do what on a WebSocket, and for how long.
extension WebSocketHandler {
    /// Takes a credential: the first, or a fresh one in place of the last.
    func authorize(_ credential: String, _ ref: WebSocketRef?) {
        let generation = self.server.admission.authenticator.generation
        if let verdict = self.server.admission.verdict(on: credential) {
            self.take(verdict, on: credential, generation, ref)
            return
        }
        // What follows is carried out with what it grants.
        self.isVerifying = true
        let authenticator = self.server.admission.authenticator
        let now = self.server.admission.nowMilliseconds
        let loop = self.server.fanout.eventLoop
        loop.makeFutureWithTask { await authenticator.verify(credential, now: now) }
            .assumeIsolated().whenSuccess { verdict in
                self.isVerifying = false
                self.take(verdict, on: credential, generation, ref)
                self.takeMessages()
                self.writeReplies()
            }
    }

    private func take(
        _ verdict: Verdict,
        on credential: String,
        _ generation: Int,
        _ ref: WebSocketRef?
    ) {
        guard self.machine.takesCommands else { return }
        switch verdict {
        case .refused(let problem):
            self.reply { WebSocketMessage.write(problem, ref: ref, into: &$0) }
            // Who is only asked to try again later may do so.
            guard problem.code == .invalidToken else { return }
            self.close(.unauthorized, "the credential is not good")
        case .granted(let access):
            self.authDeadline = .max
            self.admitted = Admitted(
                access: access,
                credential: credential,
                generation: generation,
                share: self.server.admission.share(of: access, at: self.addressShare)
            )
            self.server.watch(access, for: self)
            self.reply {
                WebSocketMessage.writeAuthorized(
                    access.grant,
                    expiresMilliseconds: access.canEnd ? access.expiresMilliseconds : .max,
                    ref: ref,
                    into: &$0
                )
            }
            self.endUncovered(access)
        }
    }

    /// What the fresh credential does not grant has no place any more.
    private func endUncovered(_ access: Access) {
        for subscription in Array(self.subscriptions.values) {
            guard let filter = subscription.subscription?.filter else { continue }
            do throws(Problem) {
                try self.server.admission.checkSubscribe(access, to: filter)
            } catch {
                self.subscriptions[subscription.name] = nil
                self.close(subscription)
                self.reply {
                    WebSocketMessage.write(
                        error,
                        ref: nil,
                        subscription: subscription.name.text,
                        into: &$0
                    )
                }
            }
        }
        // One of them may have been the one that was woken.
        self.wakeNext()
    }

    func authDeadlineReached() {
        self.authDeadline = .max
        let seconds = Int(self.server.limits.authSeconds)
        self.close(.unauthorized, "no credential came within \(seconds) seconds")
    }

    /// Looks at no further command for a moment: who does not wait by itself costs no more.
    func throttle(_ excess: RateExceeded) {
        self.isThrottled = true
        let seconds = min(excess.seconds, self.server.limits.throttleSecondsMax)
        self.server.fanout.eventLoop.assumeIsolated().scheduleTask(
            in: .nanoseconds(Int64(seconds * 1_000_000_000))
        ) {
            self.isThrottled = false
            self.takeMessages()
        }
    }
}

extension WebSocketHandler: AccessHolder {
    func accessExpires(inSeconds seconds: Int) {
        guard self.machine.takesCommands else { return }
        self.reply { WebSocketMessage.writeExpiring(inSeconds: seconds, into: &$0) }
        self.writeReplies()
    }

    func accessEnded(_ end: AccessEnd) {
        self.close(.unauthorized, end.rawValue)
    }
}
