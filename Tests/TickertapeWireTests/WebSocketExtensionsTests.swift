import Testing
import TickertapeTestSupport
import TickertapeWire

struct WebSocketExtensionsTests {
    @Test(
        "The first offer that can be served is taken",
        arguments: [
            (["permessage-deflate"], nil),
            (["permessage-deflate; client_max_window_bits"], nil),
            (["permessage-deflate;client_max_window_bits=8"], nil),
            (["permessage-deflate; client_max_window_bits=15"], nil),
            (["permessage-deflate; server_no_context_takeover; client_no_context_takeover"], nil),
            (["permessage-deflate; server_max_window_bits=9"], 9),
            (["permessage-deflate; server_max_window_bits=15"], 15),
            (["permessage-deflate; server_max_window_bits=\"12\""], 12),
            (["permessage-deflate; server_max_window_bits=\"1\\2\""], 12),
            (["\tpermessage-deflate ;\tserver_max_window_bits = 10 "], 10),
            (["permessage-deflate; server_max_window_bits=8, permessage-deflate"], nil),
            (["permessage-deflate; x, permessage-deflate; server_max_window_bits=11"], 11),
            (["permessage-deflate; server_max_window_bits=10, permessage-deflate"], 10),
            (["permessage-deflate; x=\"a, permessage-deflate; b\", permessage-deflate"], nil),
            (["x-webkit-deflate-frame; y=1, permessage-deflate"], nil),
            (["foo", "bar; a=\"b\"", "permessage-deflate; server_max_window_bits=13"], 13),
            ([", ,permessage-deflate,"], nil), (["=;=, permessage-deflate"], nil),
        ] as [([String], Int?)]
    )
    func accepted(fields: [String], windowBits: Int?) {
        let found = WebSocketExtensions.negotiate(fields)
        #expect(found?.serverWindowBits == windowBits ?? 15)
        let base = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
        #expect(
            found?.responseField
                == base + (windowBits.map { "; server_max_window_bits=\($0)" } ?? "")
        )
    }

    @Test(
        "Offers that are unknown, malformed or impossible are declined",
        arguments: [
            "", ",", ";", "permessage-deflate2", "Permessage-Deflate", "permessage deflate",
            "permessage-deflate;", "permessage-deflate; ;client_max_window_bits",
            "permessage-deflate; unknown", "permessage-deflate; server_no_context_takeover=1",
            "permessage-deflate; client_no_context_takeover=\"\"",
            "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
            "permessage-deflate; client_max_window_bits; client_max_window_bits=10",
            "permessage-deflate; server_max_window_bits",
            "permessage-deflate; server_max_window_bits=",
            "permessage-deflate; server_max_window_bits=8",
            "permessage-deflate; server_max_window_bits=16",
            "permessage-deflate; server_max_window_bits=09",
            "permessage-deflate; server_max_window_bits=+9",
            "permessage-deflate; server_max_window_bits=1e1",
            "permessage-deflate; server_max_window_bits=99999999999999999999",
            "permessage-deflate; server_max_window_bits=\"12", "permessage-deflate; =12",
            "permessage-deflate; server_max_window_bits=\"12\\\"",
            "permessage-deflate; server_max_window_bits=\"1 2\"",
            "permessage-deflate; client_max_window_bits=7",
            "permessage-deflate; client_max_window_bits=16",
            "permessage-deflate; server_max_window_bits=12 x", "\"permessage-deflate\"",
            "x; y=\"permessage-deflate, permessage-deflate", "permessage-deflate; é",
        ]
    )
    func declined(field: String) {
        #expect(WebSocketExtensions.negotiate([field]) == nil)
        // Nor does it stand in the way of a good one in another field.
        #expect(WebSocketExtensions.negotiate([field, "permessage-deflate"]) != nil)
    }

    @Test("A field damaged at random is taken or declined, never more")
    func fuzz() {
        let seed = Seed()
        var random = seed.generator
        let good = Array("permessage-deflate; server_max_window_bits=\"1\\2\", a; b=\"c\"".utf8)
        for _ in 0..<20_000 {
            var bytes = good
            for _ in 0..<random.int(1...4) {
                let index = random.int(0...bytes.count - 1)
                switch random.int(0...2) {
                case 0: bytes[index] = .random(in: 0...255, using: &random)
                case 1: bytes.remove(at: index)
                default: bytes.insert(random.pick(good), at: index)
                }
            }
            let found = WebSocketExtensions.negotiate([String(decoding: bytes, as: UTF8.self)])
            guard let found else { continue }
            #expect((9...15).contains(found.serverWindowBits), "\(seed)")
        }
    }
}
