import Foundation
import NIOCore
import NIOEmbedded
import NIOHTTP1
import Testing
import TickertapeAccess
import TickertapeCore
import TickertapeWire

@testable import TickertapeServer

/// Who is let in on HTTP, through a whole connection.
struct AdmissionTests {
    /// A broker that asks for grants, and one connection to it.
    private func fixture(
        anonymousSubscribe: [String] = [],
        _ limits: Limits = Limits()
    ) throws -> (AdmissionFixture, ConnectionFixture) {
        var admission = AdmissionFixture()
        admission.configuration.isOpen = false
        admission.configuration.anonymous = Grant(
            publish: [],
            subscribe: try anonymousSubscribe.map { try TopicPattern($0) }
        )
        return (admission, try ConnectionFixture(limits, Features(), admission))
    }

    private func status(_ connection: ConnectionFixture, _ request: String) throws -> String {
        try connection.send(request)
        connection.run()
        let answers = try connection.answers()
        #expect(answers.count == 1)
        guard let answer = answers.first else { return "nothing" }
        let code = answer.body.firstRange(of: "\"code\":\"").map { start in
            String(answer.body[start.upperBound...].prefix { $0 != "\"" })
        }
        return "\(answer.status)" + (code.map { " \($0)" } ?? "")
    }

    private func bearer(_ token: String) -> String { "Authorization: Bearer \(token)" }

    @Test("Without a credential nothing is granted, and health needs none")
    func nothing() throws {
        let (_, connection) = try self.fixture()
        #expect(try self.status(connection, get("/topics/a/messages")) == "401 unauthorized")
        #expect(try self.status(connection, post("/topics/a/messages", "x")) == "401 unauthorized")
        #expect(try self.status(connection, get("/topics/a/events")) == "401 unauthorized")
        #expect(try self.status(connection, get("/healthz")) == "200")
    }

    @Test("A token grants what its patterns say, in each place it may stand")
    func token() throws {
        let (admission, connection) = try self.fixture()
        let token = try admission.makeToken(publish: ["a/*"], subscribe: ["a/**"])
        let header = self.bearer(token)
        let cookie = "Cookie: x=y; tickertape_token=\(token)"
        func status(_ request: String) throws -> String { try self.status(connection, request) }
        #expect(try status(post("/topics/a/b/messages", "x", header)) == "201")
        #expect(try status(post("/topics/a/b/messages", "x", cookie)) == "201")
        #expect(try status(post("/topics/a/b/messages?access_token=\(token)", "x")) == "201")
        #expect(try status(post("/topics/a/b/c/messages", "x", header)) == "403 forbidden")
        #expect(try status(get("/topics/a/*/messages", header)) == "200")
        #expect(try status(get("/topics/*/messages", header)) == "403 forbidden")
        #expect(try status(get("/topics/b/messages/1", header)) == "403 forbidden")
        let both = post("/topics/a/b/messages?access_token=\(token)", "x", header)
        #expect(try status(both) == "400 repeated_parameter")
    }

    @Test("A credential that is not good is refused, whatever else is granted")
    func bad() throws {
        let (admission, connection) = try self.fixture(anonymousSubscribe: ["**"])
        func status(_ fields: String...) throws -> String {
            let lines = fields.map { $0 + "\r\n" }.joined()
            let request = "GET /topics/a/messages HTTP/1.1\r\nHost: a\r\n\(lines)\r\n"
            return try self.status(connection, request)
        }
        let good = try admission.makeToken(subscribe: ["**"])
        let old = try admission.makeToken(subscribe: ["**"], expiresMilliseconds: 1)
        let revoked = try admission.makeToken(subscribe: ["**"])
        admission.revoke(3)
        #expect(try status() == "200")
        #expect(try status(self.bearer(good)) == "200")
        #expect(try status("Authorization: bearer  \(good) ") == "200")
        #expect(try status(self.bearer(old)) == "401 invalid_token")
        #expect(try status(self.bearer(revoked)) == "401 invalid_token")
        #expect(try status(self.bearer(TokenSecretText.unknown)) == "401 invalid_token")
        #expect(try status(self.bearer("")) == "401 invalid_token")
        #expect(try status(self.bearer(String(good.dropLast()))) == "401 invalid_token")
        #expect(try status("Authorization: Basic YTpi") == "401 invalid_token")
        #expect(try status("Cookie: tickertape_token=") == "401 invalid_token")
        let two = "Cookie: tickertape_token=\(good); tickertape_token=\(old)"
        #expect(try status(two) == "401 invalid_token")
        #expect(try status(self.bearer(good), "Cookie: tickertape_token=bad") == "200")
        #expect(try status(self.bearer(good), self.bearer(good)) == "400 repeated_parameter")
        let long = String(repeating: "x", count: Limits().credentialBytesMax + 1)
        #expect(try status(self.bearer(long)) == "401 invalid_token")
    }

    @Test("A publisher that goes on with the same head is asked again once its token was revoked")
    func revokedBetween() throws {
        let (admission, connection) = try self.fixture()
        let token = try admission.makeToken(publish: ["**"])
        let request = post("/topics/a/messages", "x", self.bearer(token))
        for _ in 0..<5 { #expect(try self.status(connection, request) == "201") }
        admission.revoke(1)
        #expect(try self.status(connection, request) == "401 invalid_token")
    }

    @Test("A publisher that goes on with the same head is asked again once its token has expired")
    func expiredBetween() throws {
        let (admission, connection) = try self.fixture()
        let soon = Int64(Date().timeIntervalSince1970 * 1_000) + 700
        let token = try admission.makeToken(publish: ["**"], expiresMilliseconds: soon)
        let request = post("/topics/a/messages", "x", self.bearer(token))
        #expect(try self.status(connection, request) == "201")
        #expect(try self.status(connection, request) == "201")
        // The clock is the system's.
        while Int64(Date().timeIntervalSince1970 * 1_000) <= soon {
            #expect(try ["201", "401 invalid_token"].contains(self.status(connection, request)))
        }
        #expect(try self.status(connection, request) == "401 invalid_token")
    }

    @Test("A stream is told of its end 30 seconds before, and ends with its token")
    func streams() throws {
        let (admission, connection) = try self.fixture()
        let soon = Int64(Date().timeIntervalSince1970 * 1_000) + 20_000
        let token = try admission.makeToken(subscribe: ["**"], expiresMilliseconds: soon)
        try connection.send(get("/topics/a/events?access_token=\(token)"))
        connection.run()
        _ = try connection.sent()
        connection.pass(seconds: 0.25)
        let told = try connection.sent()
        #expect(told.contains("event: tickertape.expiring\ndata: {\"seconds\":20}\n\n"))
        #expect(!told.contains("id:"))
        connection.pass(seconds: 1)
        #expect(try connection.sent() == "")
        admission.revoke(1)
        connection.pass(seconds: 0.25)
        let last = try connection.sent()
        #expect(last.contains("event: tickertape.unauthorized\ndata: {\"reason\":\"revoked\"}\n\n"))
        #expect(last.hasSuffix("0\r\n\r\n"))
    }

    @Test("Who publishes too fast is told when to come back, and is not read meanwhile")
    func tooFast() throws {
        var limits = Limits()
        limits.clientPublishesPerSecond = 2
        let (admission, connection) = try self.fixture(limits)
        let token = try admission.makeToken(publish: ["**"])
        let request = post("/topics/a/messages", "x", self.bearer(token))
        #expect(try self.status(connection, request) == "201")
        #expect(try self.status(connection, request) == "201")
        try connection.send(request + request)
        connection.run()
        let answers = try connection.answers()
        #expect(answers.map(\.status) == [429])
        #expect(answers.first?.fields["retry-after"] == "1")
        connection.loop.advanceTime(by: .seconds(1))
        connection.run()
        // The clock of the bucket is the system's: what was held is looked at now.
        #expect(try connection.answers().count == 1)
    }

    @Test("A preflight is answered for listed origins, and asks for no credential")
    func preflight() throws {
        var admission = AdmissionFixture()
        admission.configuration.isOpen = false
        admission.rules.browsers.allowedOrigins = [try AllowedOrigin("https://app.example.com")]
        let connection = try ConnectionFixture(Limits(), Features(), admission)
        let start = "OPTIONS /topics/a/messages HTTP/1.1\r\nHost: a\r\n"
        let method = "Access-Control-Request-Method: POST\r\n\r\n"
        try connection.send(start + "Origin: https://app.example.com\r\n" + method)
        connection.run()
        let answer = try #require(try connection.answers().first)
        #expect(answer.status == 204)
        #expect(answer.fields["access-control-allow-origin"] == "https://app.example.com")
        #expect(answer.fields["access-control-max-age"] == "7200")
        #expect(answer.fields["vary"] == "Origin")
        #expect(
            try self.status(connection, start + "Origin: https://evil.org\r\n" + method)
                == "403 forbidden_origin"
        )
        let refused = get("/topics/a/messages", "Origin: https://app.example.com")
        try connection.send(refused)
        connection.run()
        let problem = try #require(try connection.answers().first)
        #expect(problem.status == 401)
        #expect(problem.fields["access-control-allow-origin"] == "https://app.example.com")
        #expect(problem.fields["www-authenticate"] == "Bearer realm=\"tickertape\"")
    }
}

private enum TokenSecretText {
    /// Well made, and nobody's.
    static let unknown = "ttk_" + String(repeating: "0", count: 43) + "zzzzzz"
}

/// A passing condition never refuses an event stream (docs/protocol.md §11.2).
struct PutOffTests {
    private func refused(acceptsEventStream: Bool, behindPublish: Bool) throws -> String {
        let connection = try ConnectionFixture()
        let handler = try connection.channel.pipeline.syncOperations.handler(
            type: ConnectionHandler.self
        )
        if behindPublish { try connection.send(post("/topics/a/messages", "x")) }
        var end = RequestEnd()
        end.acceptsEventStream = acceptsEventStream
        let problem = Problem(.tooManyCredentials, "try again", retryAfterSeconds: 1)
        handler.take(.refuse(problem, end))
        connection.run()
        return try connection.sent()
    }

    @Test("An EventSource is asked to come back, others get the problem")
    func putOff() throws {
        let stream = try self.refused(acceptsEventStream: true, behindPublish: false)
        #expect(stream.hasPrefix("HTTP/1.1 200 OK\r\n"))
        #expect(stream.contains("retry: "))
        #expect(stream.hasSuffix("0\r\n\r\n"))
        let other = try self.refused(acceptsEventStream: false, behindPublish: false)
        #expect(other.hasPrefix("HTTP/1.1 503 "))
        #expect(other.contains("\"code\":\"too_many_credentials\""))
    }

    @Test("What was asked before is answered before")
    func order() throws {
        let sent = try self.refused(acceptsEventStream: true, behindPublish: true)
        #expect(sent.hasPrefix("HTTP/1.1 201 Created\r\n"))
        #expect(sent.contains("HTTP/1.1 200 OK\r\n"))
    }
}
