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
    /// Whether its subscription asks to be told of the live tail.
    var tellsCaughtUp = false
    /// Whether it asks to have messages joined.
    var coalesces = false
    private(set) var writes: [String] = []
    private(set) var items: [EventStreamParser.Item] = []
    private(set) var endings: [SubscriptionEnd] = []
    private var parser = EventStreamParser()

    init(framing: StreamFraming = .plain) {
        self.framing = framing
    }

    func write(_ frames: ByteBuffer) -> Bool {
        self.take(frames)
        return self.isFull
    }

    var format: WireFormat { .eventStream(self.framing) }

    func opening(head: Int64, cursor: Int64?) -> ByteBuffer {
        eventStreamOpening(cursor: cursor)
    }

    func end(_ reason: SubscriptionEnd) {
        self.endings.append(reason)
    }

    /// The ends it was told: the topic, the reason and, unless it was deleted, the last id.
    var ends: [String] {
        self.endings.map { ending in
            guard case .ended(let end) = ending else { return "\(ending)" }
            return "\(end.topic) \(end.reason)" + (end.reason == .deleted ? "" : " \(end.lastID)")
        }
    }

    /// The data of the messages that came so far.
    var data: [String] {
        self.items.compactMap { item in
            guard case .message(_, let event, let data) = item, !event.hasPrefix("tickertape.")
            else { return nil }
            return data
        }
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

func eventStreamOpening(cursor: Int64?) -> ByteBuffer {
    var opening = ByteBuffer()
    EventStreamFrame.writeOpening(retryMilliseconds: 3_000, cursor: cursor, into: &opening)
    return opening
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
