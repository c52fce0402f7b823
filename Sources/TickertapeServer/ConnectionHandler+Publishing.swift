import NIOCore
import TickertapeBroker
import TickertapeCore
import TickertapeWire

/// How a connection takes many messages with one request.
extension ConnectionHandler {
    func startStream(_ publish: StreamedPublish, _ end: RequestEnd) {
        // It takes a place for as long as an event stream does.
        if let problem = self.claimStream(end.admitted) {
            var end = end
            end.mustClose = true
            self.finish(.failure(problem), end)
            return
        }
        let exchange = PublishExchange(publish, end, self)
        self.current = .publishing(exchange)
        if publish.awaitsContinue { self.sendContinue() }
        self.beginLines(end)
        exchange.start()
        self.takeHeld()
    }

    var exchange: PublishExchange? {
        guard case .publishing(let exchange) = self.current else { return nil }
        return exchange
    }

    /// The one that is answered, if its body has not come to its end.
    var exchangeWithBody: PublishExchange? {
        self.machine.isIdle ? nil : self.exchange
    }

    /// Its answer was written to the end.
    func streamFinished(_ end: RequestEnd, hasBodyEnded: Bool) {
        guard self.phase == .open else { return }
        self.current = .none
        let isDone = self.endsWithDrain || (self.peerIsDone && self.hasNothingToAnswer)
        guard self.stream == nil, hasBodyEnded, !end.mustClose, !isDone else {
            self.linger()
            return
        }
        self.waitForNothing()
        // The end of the answer may be what fills the socket.
        if !(self.context?.channel.isWritable ?? true) { self.waitForReader() }
        self.settle()
        self.takeHeld()
        self.takeFailure()
    }

    func startBatch(_ drafts: [Draft], _ end: RequestEnd) {
        if let share = end.admitted?.share {
            do throws(RateExceeded) {
                try self.server.admission.checkRate(share, of: drafts)
            } catch {
                self.current = .none
                self.throttle(error, end)
                return
            }
        }
        let exchange = BatchExchange(drafts, end, self)
        guard self.server.fanout.publish(batch: drafts, reply: exchange) else {
            self.finish(.failure(.queueFull(self.server.limits)), end)
            return
        }
    }

    // MARK: - The answer

    /// Writes the head of an answer of lines; they follow.
    private func beginLines(_ end: RequestEnd) {
        if let stream = self.stream {
            stream.begin(self.server.response.streamedHead(.lines, fields: end.fields))
            // A client may send nothing before it has seen it.
            self.context?.flush()
            return
        }
        self.write(
            self.server.response.streamedHead(
                .lines,
                self.framing(of: end),
                end.mustClose ? .close : .keep,
                fields: end.fields
            )
        )
    }

    func write(lines: ByteBuffer, _ end: RequestEnd, isLast: Bool) {
        if let stream = self.stream {
            stream.write(piece: lines, isLast: isLast)
            return
        }
        let framing = self.framing(of: end)
        var bytes = lines.readableBytes > 0 ? framing.wrap(lines) : ByteBuffer()
        if isLast { bytes.writeStaticString(framing.end) }
        self.write(bytes)
    }

    // MARK: - Time

    /// A client that reads nothing has so long, and longer as long as it takes something.
    func waitForReader() {
        guard self.waitsFor != .reader || self.deadline == Int.max else { return }
        self.unreadBytes = Int.max
        self.wait(.reader, seconds: self.server.limits.requestTimeoutSeconds)
    }

    func waitForNothing() {
        self.waitsFor = .stream
        self.deadline = Int.max
    }
}
