import HTTPTypes
import Testing

@testable import TickertapeAdmin

struct RequestGuardTests {
    private func head(_ host: String?, _ fields: HTTPFields = [:]) -> HTTPRequest {
        HTTPRequest(
            method: .get,
            scheme: "http",
            authority: host,
            path: "/v1/status",
            headerFields: fields
        )
    }

    private func code(_ door: RequestGuard.Door, _ head: HTTPRequest) -> String? {
        do {
            try RequestGuard(door: door).check(head)
            return nil
        } catch {
            return error.code
        }
    }

    @Test(
        "Over the socket the host is this machine",
        arguments: [
            ("localhost", true), ("localhost:80", true), ("LOCALHOST", true),
            ("127.0.0.1:1868", true),
            ("[::1]", true), ("[::1]:1868", true), ("evil.example", false),
            ("localhost.evil", false),
            ("127.0.0.1.evil:80", false), ("localhost:evil", false), ("", false), ("::1", false),
        ]
    )
    func hosts(_ host: String, _ isTaken: Bool) {
        #expect(self.code(.socket, self.head(host)) == (isTaken ? nil : "forbidden_host"))
    }

    @Test("A request without a host is refused over the socket")
    func noHost() {
        #expect(self.code(.socket, self.head(nil)) == "forbidden_host")
    }

    @Test(
        "An origin is that of the host, with the scheme's own port where none is said",
        arguments: [
            ("http://localhost:1868", "localhost:1868", true),
            ("http://localhost", "localhost", true),
            ("http://localhost", "localhost:80", true),
            ("https://a.example", "a.example:443", true),
            ("https://a.example", "a.example", true), ("http://LOCALHOST:1", "localhost:1", true),
            ("http://[::1]:5", "[::1]:5", true), ("http://localhost:1868", "localhost:1869", false),
            ("http://evil.example", "localhost", false), ("null", "localhost", false),
            ("http://localhost", "localhost:8080", false), ("file://", "localhost", false),
            ("http://localhost.evil", "localhost", false), ("", "localhost", false),
        ]
    )
    func origins(_ origin: String, _ host: String, _ isSame: Bool) {
        #expect(RequestGuard.isSame(origin: origin, as: host) == isSame)
    }

    @Test("Another site is refused on both doors, this one is not")
    func crossSite() throws {
        let token = try AdminToken("0123456789abcdef", from: "a test")
        let proof: HTTPFields = [.authorization: "Bearer 0123456789abcdef"]
        for door in [RequestGuard.Door.socket, .network(token)] {
            var fields = proof
            fields[.origin] = "http://evil.example"
            #expect(self.code(door, self.head("localhost:1", fields)) == "forbidden_origin")
            fields[.origin] = "http://localhost:1"
            #expect(self.code(door, self.head("localhost:1", fields)) == nil)
        }
    }

    @Test(
        "Over TCP the token comes as a bearer, or as the password of anybody",
        arguments: [
            ("Bearer 0123456789abcdef", true), ("bearer 0123456789abcdef", true),
            ("Bearer  0123456789abcdef ", true), ("Bearer 0123456789abcdeF", false),
            ("Bearer 0123456789abcde", false), ("Bearer 0123456789abcdef0", false),
            ("Bearer", false),
            // admin:…, :…, a:b:…
            ("Basic YWRtaW46MDEyMzQ1Njc4OWFiY2RlZg==", true),
            ("BASIC OjAxMjM0NTY3ODlhYmNkZWY=", true), ("Basic YTpiOjAxMjM0NTY3ODlhYmNkZWY=", false),
            ("Basic MDEyMzQ1Njc4OWFiY2RlZg==", false), ("Basic !!!", false), ("", false),
            ("Digest 0123456789abcdef", false), ("0123456789abcdef", false),
        ]
    )
    func tokens(_ field: String, _ isTaken: Bool) throws {
        let token = try AdminToken("0123456789abcdef", from: "a test")
        let head = self.head("anything.example", [.authorization: field])
        #expect(self.code(.network(token), head) == (isTaken ? nil : "unauthorized"))
    }

    @Test("Two proofs are none, and neither is nothing")
    func notOnce() throws {
        let token = try AdminToken("0123456789abcdef", from: "a test")
        #expect(self.code(.network(token), self.head("localhost")) == "unauthorized")
        var fields: HTTPFields = [.authorization: "Bearer 0123456789abcdef"]
        fields.append(HTTPField(name: .authorization, value: "Bearer wrong"))
        #expect(self.code(.network(token), self.head("localhost", fields)) == "unauthorized")
    }
}
