/// How the messages of a subscription travel.
///
/// Subscriptions of one format share their frames.
package enum WireFormat: Hashable, Sendable {
    case eventStream(StreamFraming)
    /// - Parameters:
    ///   - subscription: Its name, which stands in every message.
    ///   - windowBits: For those that take compressed messages: the window to compress with.
    case webSocket(subscription: String, windowBits: Int?)

    /// The format whose encoded messages can be used for this one: framing is added afterwards.
    package var encoding: WireFormat {
        switch self {
        case .eventStream: .eventStream(.plain)
        case .webSocket: self
        }
    }

    /// Whether a heartbeat that says nothing is worth a write: a WebSocket has its own pings.
    package var hasComments: Bool {
        switch self {
        case .eventStream: true
        case .webSocket: false
        }
    }
}
