import Testing
import TickertapeWire

struct WebSocketHandshakeTests {
    @Test("The answer to a key is that of RFC 6455, section 1.3")
    func golden() {
        let key = WebSocketHandshake.acceptKey(for: "dGhlIHNhbXBsZSBub25jZQ==")
        #expect(key == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
    }

    @Test(
        "A key that is not 16 bytes in base64 is none",
        arguments: [
            "", "x", "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZSBub25jZQ=",
            "dGhlIHNhbXBsZSBub25jZTE=",
            "dGhlIHNhbXBsZSBub25j", "dGhlIHNhbXBsZSBub25jZQ== ", " dGhlIHNhbXBsZSBub25jZQ==",
            "dGhlIHNhbXBsZSBub25j!Q==", "dGhlIHNhbXBsZSBub25\u{E9}Q==", "========================",
            "dGhlIHNhbXBsZSBub25jZSBsb25nZXI=", "dGhlIHNhbXBsZSBub25-ZQ==",
        ]
    )
    func badKeys(key: String) {
        #expect(WebSocketHandshake.acceptKey(for: key) == nil)
    }

    @Test(
        "Our subprotocol is chosen wherever it stands among those offered",
        arguments: [
            ([], false), ([""], false), (["tickertape.v1"], true), (["a, tickertape.v1"], true),
            (["a", "b,\ttickertape.v1 ,c"], true), (["tickertape.v11"], false), ([",,"], false),
            (["Tickertape.v1"], false), (["tickertape.v1 x"], false), (["mqtt", "wamp"], false),
        ] as [([String], Bool)]
    )
    func subprotocols(fields: [String], isChosen: Bool) {
        let chosen = WebSocketHandshake.subprotocol(offered: fields)
        #expect(chosen == (isChosen ? "tickertape.v1" : nil))
    }
}
