import Crypto
import Foundation

/// What the opening handshake computes and chooses (RFC 6455 §4.2.2).
package enum WebSocketHandshake {
    /// The subprotocol of `docs/protocol.md`.
    package static let subprotocol = "tickertape.v1"

    /// The value of `Sec-WebSocket-Accept`; nothing when the key is not 16 bytes in base64.
    package static func acceptKey(for key: String) -> String? {
        guard key.utf8.count == 24, Data(base64Encoded: key)?.count == 16 else { return nil }
        let proof = key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        return Data(Insecure.SHA1.hash(data: Data(proof.utf8))).base64EncodedString()
    }

    /// Chooses among the subprotocols offered.
    ///
    /// A client that offered only others is served without one and decides itself (§4.1).
    ///
    /// - Parameter fields: Every `Sec-WebSocket-Protocol` of the request.
    /// - Returns: The same field of the answer; nothing when it is not to be sent.
    package static func subprotocol(offered fields: [String]) -> String? {
        let offers = fields.lazy.flatMap { $0.utf8.split(separator: UInt8(ascii: ",")) }
        let isOffered = offers.contains { offer in
            offer.trimmingOptionalWhitespace.elementsEqual(self.subprotocol.utf8)
        }
        return isOffered ? self.subprotocol : nil
    }
}
