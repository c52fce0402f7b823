import TickertapeCore
import TickertapeWire

/// How long a streaming publish is waited for.
extension PublishExchange {
    /// A deadline that is kept as it was set first.
    enum Timing: Equatable {
        case none
        /// Of the message with this number, which has begun.
        case message(Int)
        /// Of the end of the body.
        case ending
    }

    /// Who sends nothing for long, and who reads nothing while that holds it up, is not waited for.
    func keepTime() {
        guard let connection = self.connection else { return }
        if self.isEndingWritten {
            // Once: whoever goes on sending is not waited for.
            guard self.timing != .ending else { return }
            self.timing = .ending
            connection.wait(.stream, seconds: self.server.limits.lingerSeconds)
            return
        }
        if self.isReaderEmpty, self.reader.heldBytes > 0, self.wantsMore {
            // A message that has begun has so long, however it dribbles in.
            let number = self.machine.nextNumber
            guard self.timing != .message(number) else { return }
            self.timing = .message(number)
            connection.wait(.stream, seconds: self.server.limits.requestTimeoutSeconds)
            return
        }
        self.timing = .none
        if self.ending != nil || self.machine.isAnswerFull {
            connection.waitForReader()
        } else if self.wantsMore {
            connection.wait(.stream, seconds: self.server.limits.streamedIdleSeconds)
        } else {
            connection.waitForNothing()
        }
    }

    func deadlineReached() {
        if self.isEndingWritten {
            self.finish()
            return
        }
        let limits = self.server.limits
        let detail =
            if case .message = self.timing {
                "a message arrives within \(limits.requestTimeoutSeconds) seconds"
            } else {
                "a streaming publish sends something within \(limits.streamedIdleSeconds) seconds"
            }
        self.perform(self.machine.fail(Problem(.requestTimeout, detail)))
    }
}
