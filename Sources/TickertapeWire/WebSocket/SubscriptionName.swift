import TickertapeCore

/// The name of a subscription of a WebSocket.
///
/// Compared byte by byte, not by Unicode canonical equivalence as `String` would: subscribers of
/// one name share frames in which it stands.
package struct SubscriptionName: Sendable {
    package let text: String

    package init(_ text: String) {
        self.text = text
    }
}

extension SubscriptionName: Hashable {
    package static func == (left: SubscriptionName, right: SubscriptionName) -> Bool {
        bytesAreEqual(left.text, right.text)
    }

    package func hash(into hasher: inout Hasher) {
        hashBytes(of: self.text, into: &hasher)
    }
}
