import NIOCore
import TickertapeBroker
import TickertapeCore
import TickertapeWire

/// How a connection becomes an event stream or a WebSocket.
extension ConnectionHandler {
    func subscribe(_ query: SubscribeQuery, _ end: RequestEnd) {
        if self.server.fanout.isEnded(query.filter) {
            // The one answer but 200 that an EventSource takes as it is meant: stop.
            self.finishWithoutContent(end)
            return
        }
        let framing: StreamFraming = end.isHTTP10 ? .plain : .chunked
        if let problem = self.claimStream() {
            guard end.acceptsEventStream else {
                self.finish(.failure(problem), end)
                return
            }
            // Anything but 200 would end an EventSource for good.
            self.current = .none
            let retryMilliseconds =
                problem.code == .draining
                ? jitteredRetryMilliseconds() : overloadRetryMilliseconds()
            var bytes = self.server.response.eventStreamHead(framing, fields: end.fields)
            bytes.writeImmutableBuffer(framing.farewell(retryMilliseconds: retryMilliseconds))
            self.write(bytes)
            self.linger()
            return
        }
        let stream = EventStreamHandler(
            server: self.server,
            framing: framing,
            fields: end.fields
        )
        guard self.giveWay(to: stream) else { return }
        stream.start(query)
        self.leave()
    }

    func upgrade(_ offer: WebSocketOffer, _ end: RequestEnd) {
        if let problem = self.claimStream() {
            self.finish(.failure(problem), end)
            return
        }
        let handler = WebSocketHandler(
            server: self.server,
            windowBits: offer.compression?.serverWindowBits,
            isEcho: offer.isEcho
        )
        guard self.giveWay(to: handler) else { return }
        handler.start(
            self.server.response.webSocketHead(offer, fields: end.fields),
            hasChosenProtocol: offer.subprotocol != nil
        )
        self.leave()
    }

    /// Puts another handler behind this one.
    private func giveWay(to handler: some ChannelHandler) -> Bool {
        guard let context = self.context else { return false }
        self.phase = .upgraded
        self.server.remove(self)
        do {
            try context.pipeline.syncOperations.addHandler(handler, position: .after(self))
        } catch {
            self.server.count.closeStream()
            context.close(promise: nil)
            return false
        }
        self.held.removeAll()
        self.setReading(true)
        return true
    }

    /// Leaves the pipeline, with what stands before it.
    private func leave() {
        guard let pipeline = self.context?.pipeline.syncOperations else { return }
        for handler in self.parsers { pipeline.removeHandler(handler, promise: nil) }
        pipeline.removeHandler(self, promise: nil)
    }

    /// Takes a place among the open streams, or says why there is none.
    private func claimStream() -> Problem? {
        if self.server.isDraining { return .draining }
        guard self.server.count.openStream(max: self.server.limits.streamsMax) else {
            return Problem(
                .tooManyStreams,
                "\(self.server.limits.streamsMax) event streams and WebSockets are open",
                retryAfterSeconds: 10
            )
        }
        return nil
    }
}
