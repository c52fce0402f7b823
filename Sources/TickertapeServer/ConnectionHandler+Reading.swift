import NIOCore
import TickertapeBroker
import TickertapeCore
import TickertapeWire

/// What a connection answers without asking for anything to be stored.
extension ConnectionHandler {
    var health: Result<Answered, Problem> {
        if self.server.isDraining {
            return .failure(.draining)
        }
        guard self.server.fanout.isLogWritable else {
            return .failure(.logNotWritable)
        }
        return .success(.json(ByteBuffer(string: "{\"status\":\"ok\"}")))
    }

    func readMessage(_ topic: TopicName, _ id: Int64, _ end: RequestEnd) {
        self.server.fanout.readMessage(id: id) { result in
            switch result {
            case .failure(let error): self.finish(.failure(Problem(error, self.server)), end)
            case .success(let message):
                guard let message, message.topic == topic else {
                    self.finish(
                        .failure(
                            Problem(.messageNotFound, "topic '\(topic)' has no message \(id)")
                        ),
                        end
                    )
                    return
                }
                var body = ByteBufferAllocator().buffer(capacity: message.bytes + 128)
                body.writeJSON(message)
                self.finish(.success(.json(body)), end)
            }
        }
    }
}
