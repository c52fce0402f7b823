import NIOCore
import TickertapeBroker
import TickertapeCore
import TickertapeWire

/// How a connection becomes an event stream or a WebSocket.
extension ConnectionHandler {
    func subscribe(_ query: SubscribeQuery, _ end: RequestEnd) {
        let filterEnd = self.server.fanout.end(of: query.filter)
        if let filterEnd, filterEnd.leavesNothing(after: query.start) {
            // The one answer but 200 that an EventSource takes as it is meant: stop.
            self.finishWithoutContent(end)
            return
        }
        if let problem = self.claimStream(end.admitted) {
            guard end.acceptsEventStream else {
                self.finish(.failure(problem), end)
                return
            }
            self.putOff(problem, end)
            return
        }
        let stream = EventStreamHandler(
            server: self.server,
            framing: self.framing(of: end),
            head: self.eventStreamHead(end),
            share: end.admitted?.share
        )
        guard self.giveWay(to: stream, end.admitted) else { return }
        stream.start(query, end.admitted?.access)
        self.leave()
    }

    /// Has an EventSource come back later: anything but 200 would end it for good.
    func putOff(_ problem: Problem, _ end: RequestEnd) {
        self.current = .none
        let retryMilliseconds =
            problem.code == .draining ? jitteredRetryMilliseconds() : overloadRetryMilliseconds()
        self.writeFarewell(retryMilliseconds: retryMilliseconds, end)
        self.linger()
    }

    func upgrade(_ offer: WebSocketOffer, _ end: RequestEnd) {
        guard let admitted = end.admitted else {
            preconditionFailure("who asks for a WebSocket was looked at")
        }
        if let problem = self.claimStream(admitted) {
            self.finish(.failure(problem), end)
            return
        }
        let handler = WebSocketHandler(
            server: self.server,
            windowBits: offer.compression?.serverWindowBits,
            isEcho: offer.isEcho,
            admitted: admitted,
            address: self.machine.peer.share
        )
        guard self.giveWay(to: handler, admitted) else { return }
        handler.start(
            self.server.response.webSocketHead(offer, fields: end.fields),
            hasChosenProtocol: offer.subprotocol != nil
        )
        self.leave()
    }

    /// Puts another handler behind this one.
    private func giveWay(to handler: some ChannelHandler, _ admitted: Admitted?) -> Bool {
        guard let context = self.context else {
            self.server.count.closeStream()
            admitted?.share.closeStream()
            return false
        }
        self.phase = .upgraded
        self.server.remove(self)
        do {
            try context.pipeline.syncOperations.addHandler(handler, position: .after(self))
        } catch {
            self.server.count.closeStream()
            admitted?.share.closeStream()
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
    func claimStream(_ admitted: Admitted?) -> Problem? {
        if self.server.isDraining { return .draining }
        guard self.server.count.openStream(max: self.server.limits.streamsMax) else {
            return Problem(
                .tooManyStreams,
                "\(self.server.limits.streamsMax) event streams and WebSockets are open",
                retryAfterSeconds: 10
            )
        }
        guard let share = admitted?.share, !share.openStream() else { return nil }
        self.server.count.closeStream()
        return Problem(
            .tooManyClientStreams,
            "this client has \(share.streamBound) event streams and WebSockets open already",
            retryAfterSeconds: 10
        )
    }
}
