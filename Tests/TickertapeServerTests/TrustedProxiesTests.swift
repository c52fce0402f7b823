import NIOHTTP1
import Testing

@testable import TickertapeServer

struct TrustedProxiesTests {
    @Test(
        "Networks, and addresses in them",
        arguments: [
            ("10.0.0.0/8", "10.1.2.3", true), ("10.0.0.0/8", "11.0.0.0", false),
            ("10.0.0.1", "10.0.0.1", true), ("10.0.0.1", "10.0.0.2", false),
            ("0.0.0.0/0", "8.8.8.8", true), ("0.0.0.0/0", "::1", false),
            ("192.168.4.0/22", "192.168.7.255", true), ("192.168.4.0/22", "192.168.8.0", false),
            ("fd00::/8", "fd12::1", true), ("fd00::/8", "fe80::1", false),
            ("10.0.0.0/8", "::ffff:10.1.2.3", true), ("::1", "::1", true),
        ]
    )
    func networks(block: String, address: String, isInside: Bool) throws {
        let block = try #require(AddressBlock(block))
        #expect(block.contains(try #require(IPAddress(address))) == isInside)
    }

    @Test(
        "What is no network",
        arguments: [
            "", "10.0.0.0/33", "10.0.0.1/8", "10.0.0/8", "a", "10.0.0.0/", "::/129", "1/2/3",
        ]
    )
    func noNetworks(text: String) {
        #expect(AddressBlock(text) == nil)
    }

    private func client(_ fields: [(String, String)], peer: String = "10.0.0.1") throws -> String {
        let blocks = try ["10.0.0.0/8", "fd00::/8"].map { try #require(AddressBlock($0)) }
        let hops = ForwardedHops(RequestHeader(HTTPHeaders(fields)))
        let peer = try #require(IPAddress(peer))
        return TrustedProxies(blocks).client(of: peer, hops: hops.hops).bytes.map { "\($0)" }
            .joined(separator: ".")
    }

    @Test("The client is the last hop that is no proxy of ours")
    func clients() throws {
        let forwarded = "X-Forwarded-For"
        #expect(try self.client([]) == "10.0.0.1")
        #expect(try self.client([(forwarded, "192.0.2.1")]) == "192.0.2.1")
        #expect(try self.client([(forwarded, "1.1.1.1, 192.0.2.1")]) == "192.0.2.1")
        #expect(try self.client([(forwarded, "1.1.1.1, 192.0.2.1, 10.9.9.9")]) == "192.0.2.1")
        #expect(try self.client([(forwarded, "1.1.1.1"), (forwarded, "192.0.2.1")]) == "192.0.2.1")
        #expect(try self.client([(forwarded, "192.0.2.1:4711")]) == "192.0.2.1")
        #expect(try self.client([(forwarded, "[::ffff:192.0.2.1]:4711")]) == "192.0.2.1")
        // Behind what cannot be told is who told it.
        #expect(try self.client([(forwarded, "192.0.2.1, nonsense")]) == "10.0.0.1")
        #expect(try self.client([(forwarded, "192.0.2.1, ,10.0.0.2")]) == "10.0.0.2")
        #expect(try self.client([(forwarded, "")]) == "10.0.0.1")
        // Whom nobody trusts is not asked.
        #expect(try self.client([(forwarded, "192.0.2.1")], peer: "192.0.2.9") == "192.0.2.9")
        let list = Array(repeating: "10.0.0.3", count: 5_000).joined(separator: ",")
        #expect(try self.client([(forwarded, "192.0.2.1," + list)]) == "10.0.0.3")
    }

    @Test("Where both came nobody can tell which of them a proxy wrote")
    func both() throws {
        let fields = [("Forwarded", "for=192.0.2.1"), ("X-Forwarded-For", "192.0.2.7")]
        #expect(try self.client(fields) == "10.0.0.1")
    }

    @Test("Forwarded is read as RFC 7239 has it")
    func forwarded() throws {
        func client(_ value: String) throws -> String {
            try self.client([("Forwarded", value)])
        }
        #expect(try client("for=192.0.2.1") == "192.0.2.1")
        #expect(try client("For=\"192.0.2.1:80\";proto=https;by=10.0.0.2") == "192.0.2.1")
        #expect(try client("for=1.1.1.1, for=192.0.2.1") == "192.0.2.1")
        #expect(try client("for=192.0.2.1, for=_hidden") == "10.0.0.1")
        #expect(try client("for=192.0.2.1, for=unknown") == "10.0.0.1")
        #expect(try client("proto=http") == "10.0.0.1")
        #expect(try client("for=\"1.1.1.1, for=192.0.2.1") == "10.0.0.1")
        let hops = ForwardedHops(
            RequestHeader(
                HTTPHeaders([
                    ("Forwarded", "for=a;host=x.org;proto=http, for=b;host=\"y.org\";proto=https")
                ])
            )
        )
        #expect(hops.hops == ["a", "b"])
        #expect(hops.proto == "https")
        #expect(hops.host == "y.org")
    }
}
