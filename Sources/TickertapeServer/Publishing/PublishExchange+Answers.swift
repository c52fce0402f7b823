import NIOCore
import TickertapeBroker
import TickertapeCore
import TickertapeWire

/// How a streaming publish is answered.
extension PublishExchange {
    /// Writes what is answered, or holds it back for a moment, to be written with what comes.
    func writeLinesInStep(_ count: Int) {
        switch self.pacer.answered(count) {
        case .write: self.writeLines()
        case .none:
            self.machine.hold(answerBytes: self.runs.bytes)
            if self.machine.isAnswerFull { self.writeLines() }
        case .hold(let milliseconds):
            self.heldAnswers = self.server.fanout.eventLoop.assumeIsolated().scheduleTask(
                in: .milliseconds(milliseconds)
            ) {
                self.writeLines()
                self.pump()
            }
        }
    }

    /// Writes what is answered, as far as the client takes it.
    func writeLines() {
        guard let connection = self.connection, !self.isWriting else { return }
        self.isWriting = true
        self.pacer.released()
        self.heldAnswers?.cancel()
        self.heldAnswers = nil
        var isOver = false
        while !isOver, connection.context?.channel.isWritable ?? false {
            var lines = ByteBufferAllocator().buffer(capacity: 256)
            self.runs.write(into: &lines, bytesMax: Self.linesBytesMax)
            if self.runs.isEmpty, let ending, !self.isEndingWritten {
                self.isEndingWritten = true
                self.write(ending, into: &lines)
                isOver = !self.awaitsEndOfBody
            }
            guard lines.readableBytes > 0 || isOver else { break }
            connection.write(lines: lines, self.end, isLast: isOver)
        }
        self.isWriting = false
        self.machine.hold(answerBytes: self.runs.bytes)
        if isOver { self.leave() }
    }

    private func write(_ ending: PublishStreamMachine.Ending, into lines: inout ByteBuffer) {
        switch ending {
        case .clean: break
        case .ended(let end): lines.writeAnswerEnd(end)
        case .failed(let problem): lines.writeAnswerError(problem)
        }
    }

    /// Who ends the topic by a message is about to end the request: the connection then lives on.
    private var awaitsEndOfBody: Bool {
        guard case .ended = self.ending else { return false }
        return self.hasTakenLast && !self.hasBodyEnded && self.lastWords == nil
    }
}
