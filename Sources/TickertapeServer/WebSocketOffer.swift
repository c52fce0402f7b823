import NIOHTTP1
import TickertapeCore
import TickertapeWire

/// A good opening handshake of a client (RFC 6455 §4.2.1).
struct WebSocketOffer {
    /// The value of `Sec-WebSocket-Accept`.
    let acceptKey: String
    let subprotocol: String?
    let compression: WebSocketCompression?
    let isEcho: Bool

    init(_ head: HTTPRequestHead, compresses: Bool, isEcho: Bool) throws(Problem) {
        // Extended CONNECT is not offered (RFC 8441): browsers then take HTTP/1.1 by themselves.
        guard head.version.major == 1 else {
            throw Problem(
                .badHandshake,
                "a WebSocket begins with HTTP/1.1, on a connection of its own: this one is HTTP/2"
            )
        }
        let headers = head.headers
        let upgrades = headers[canonicalForm: "upgrade"]
        let tokens = headers[canonicalForm: "connection"]
        guard upgrades.contains(where: { isSame($0, "websocket") }),
            tokens.contains(where: { isSame($0, "upgrade") })
        else {
            throw Problem(
                .upgradeRequired,
                "this is a WebSocket: send Connection: Upgrade and Upgrade: websocket"
            )
        }
        guard head.version.minor >= 1 else {
            throw Problem(.badHandshake, "a WebSocket begins with HTTP/1.1")
        }
        guard headers["sec-websocket-version"].map({ trimmed($0[...]) }) == ["13"] else {
            throw Problem(.webSocketVersion, "the one version served is 13 (RFC 6455)")
        }
        let keys = headers["sec-websocket-key"]
        guard keys.count == 1,
            let acceptKey = WebSocketHandshake.acceptKey(for: String(trimmed(keys[0][...])))
        else {
            throw Problem(.badHandshake, "Sec-WebSocket-Key is 16 bytes in base64, once")
        }
        self.acceptKey = acceptKey
        self.subprotocol = WebSocketHandshake.subprotocol(
            offered: headers[canonicalForm: "sec-websocket-protocol"].map(String.init)
        )
        let extensions = headers["sec-websocket-extensions"]
        self.compression = compresses ? WebSocketExtensions.negotiate(extensions) : nil
        self.isEcho = isEcho
    }
}
