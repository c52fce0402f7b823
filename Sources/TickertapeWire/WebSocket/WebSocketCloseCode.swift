/// Why a WebSocket is closed (RFC 6455 §7.4).
package struct WebSocketCloseCode: RawRepresentable, Hashable, Sendable {
    package let rawValue: UInt16

    package init(rawValue: UInt16) {
        self.rawValue = rawValue
    }

    package static let normal = Self(rawValue: 1_000)
    package static let protocolError = Self(rawValue: 1_002)
    package static let unsupportedData = Self(rawValue: 1_003)
    package static let invalidText = Self(rawValue: 1_007)
    package static let messageTooBig = Self(rawValue: 1_009)
    package static let internalError = Self(rawValue: 1_011)
    package static let serviceRestart = Self(rawValue: 1_012)

    /// The credential is no longer good, was none, or never came.
    package static let unauthorized = Self(rawValue: 4_401)

    /// Whether a peer may send the code.
    ///
    /// 1004 to 1006 and 1015 are never sent (RFC 6455 §7.4.1); 1012 to 1014 were registered
    /// since; 3000 and up belong to libraries and applications (§7.4.2).
    package var isValidFromPeer: Bool {
        switch self.rawValue {
        case 1_000...1_003, 1_007...1_014, 3_000...4_999: true
        default: false
        }
    }
}
