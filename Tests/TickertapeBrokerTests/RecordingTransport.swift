import NIOCore
import Testing
import TickertapeBroker
import TickertapeCore
import TickertapeTestSupport
import TickertapeWire

/// A connection that remembers what was written and says what a receiver makes of it.
final class RecordingTransport: SubscriptionTransport {
    let framing: StreamFraming
    /// What the next writes say.
    var isFull = false
    private(set) var writes: [String] = []
    private(set) var items: [EventStreamParser.Item] = []
    private(set) var endings: [Int64] = []
    private var parser = EventStreamParser()

    init(framing: StreamFraming = .plain) {
        self.framing = framing
    }

    func write(_ frames: ByteBuffer) -> Bool {
        self.take(frames)
        return self.isFull
    }

    func end(retryMilliseconds: Int64) {
        self.endings.append(retryMilliseconds)
    }

    /// The ids of the messages that came so far.
    var ids: [Int64] {
        self.items.compactMap { item in
            guard case .message(let id, let event, _) = item, event != "tickertape.gap" else {
                return nil
            }
            return Int64(id)
        }
    }

    func forget() {
        self.writes = []
        self.items = []
    }

    private func take(_ frames: ByteBuffer) {
        do {
            var bytes = Array(frames.readableBytesView)
            if self.framing == .chunked { bytes = try dechunked(bytes).content }
            self.writes.append(String(decoding: bytes, as: UTF8.self))
            self.items += self.parser.feed(bytes)
        } catch {
            Issue.record("\(error) in \(String(buffer: frames))")
        }
    }
}

func message(_ id: Int64, _ topic: String, _ data: String = "x") throws -> Message {
    Message(
        id: id,
        topic: try TopicName(topic),
        timeMilliseconds: id,
        event: nil,
        key: nil,
        data: data
    )
}

func filter(_ patterns: String...) throws -> TopicFilter {
    TopicFilter(try patterns.map { try TopicPattern($0) })
}
