import NIOCore
import TickertapeAccess
import TickertapeBroker
import TickertapeCore
import TickertapeWire

/// Who may do what on a WebSocket, and for how long.
extension WebSocketHandler {
    /// Takes a credential: the first, or a fresh one in place of the last.
    func authorize(_ credential: String, _ ref: WebSocketRef?) {
        let admission = self.server.admission
        if let checked = admission.known(credential) {
            self.take(checked, ref)
            return
        }
        // What follows is carried out with what it grants.
        self.isVerifying = true
        admission.verify(credential, on: self.server.fanout.eventLoop) { checked in
            self.isVerifying = false
            self.take(checked, ref)
            self.takeMessages()
            self.writeReplies()
        }
    }

    private func take(_ checked: CheckedCredential, _ ref: WebSocketRef?) {
        guard self.machine.takesCommands else { return }
        do throws(Problem) {
            self.admitted = try self.server.admission.admit(checked, at: self.addressShare)
        } catch {
            self.reply { WebSocketMessage.write(error, ref: ref, into: &$0) }
            // Who is only asked to try again later may do so.
            guard error.code == .invalidToken else { return }
            self.close(.unauthorized, "the credential is not good")
            return
        }
        guard let access = self.admitted.access else { return }
        self.authDeadline = .max
        self.server.watch(access, for: self)
        self.reply {
            WebSocketMessage.writeAuthorized(
                access.grant,
                expiresMilliseconds: access.expiresMilliseconds,
                ref: ref,
                into: &$0
            )
        }
        self.endUncovered(access)
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

    /// Looks at no further command for a moment.
    func throttle(_ excess: RateExceeded) {
        self.isThrottled = true
        self.server.admission.throttle(excess, on: self.server.fanout.eventLoop) {
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
