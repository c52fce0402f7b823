import NIOHTTP1
import Testing
import TickertapeCore
import TickertapeWire

@testable import TickertapeServer

struct BrowserRulesTests {
    @Test(
        "Origins that may be listed, and those that match them",
        arguments: [
            ("https://app.example.com", "https://app.example.com", true),
            ("https://App.Example.com:443", "https://app.example.com", true),
            ("http://app.example.com:80", "http://app.example.com", true),
            ("http://app.example.com:8080", "http://app.example.com:8080", true),
            ("https://app.example.com", "http://app.example.com", false),
            ("https://app.example.com", "https://app.example.com:8443", false),
            ("https://app.example.com", "https://app.example.com.evil.org", false),
            ("https://*.example.com", "https://a.example.com", true),
            ("https://*.example.com", "https://a.b.example.com", true),
            ("https://*.example.com", "https://example.com", false),
            ("https://*.example.com", "https://.example.com", false),
            ("https://*.example.com", "https://evilexample.com", false),
            ("https://*.example.com", "https://a.example.com.evil.org", false),
            ("https://*.example.com", "http://a.example.com", false),
            ("https://*.example.com", "https://a.example.com:444", false),
            ("https://*.example.com:444", "https://a.example.com:444", true),
            ("https://*.example.com", "https://evil.org/.example.com", false),
            ("https://*.example.com", "https://evil.org#.example.com", false),
            ("https://*.example.com", "https://u:p@a.example.com", false),
            ("*", "https://anyone.org", true),
        ]
    )
    func origins(listed: String, origin: String, isMatched: Bool) throws {
        #expect(try AllowedOrigin(listed).matches(origin) == isMatched)
    }

    @Test(
        "What is no origin is refused when it is listed",
        arguments: [
            "", "null", "app.example.com", "https://", "https://*", "https://*.com",
            "https://a.*.com", "https://*.*.example.com", "https://example.com/", "ftp://a.b",
            "https://example.com:x", "https://example.com:70000", "https://a b",
            "https://[::1", "file://", "**",
        ]
    )
    func noOrigins(text: String) {
        #expect(throws: InvalidOrigin.self) { try AllowedOrigin(text) }
    }

    private func rules(_ origins: [String], checksHost: Bool = true) throws -> BrowserRules {
        var rules = BrowserRules()
        rules.allowedOrigins = try origins.map { try AllowedOrigin($0) }
        rules.checksHost = checksHost
        rules.hosts = ["broker.example.com"]
        return rules
    }

    /// What is said of a request, in one line.
    private func judged(
        _ rules: BrowserRules,
        _ fields: [(String, String)],
        isSecure: Bool = false
    ) -> String {
        let judgement = rules.judge(RequestHeader(HTTPHeaders(fields)), isSecure: isSecure)
        let origin = judgement.fields.first { "\($0.name)" == "Access-Control-Allow-Origin" }
        let hasCredentials = judgement.fields.contains {
            "\($0.name)" == "Access-Control-Allow-Credentials"
        }
        return [
            judgement.refusal?.code.rawValue ?? "served", origin?.value,
            hasCredentials ? "credentials" : nil, judgement.takesCookies ? nil : "no cookies",
        ].compactMap { $0 }.joined(separator: " ")
    }

    @Test("Own pages, listed ones and others")
    func pages() throws {
        let rules = try self.rules(["https://app.example.com"])
        func of(_ origin: String, host: String = "localhost:1867") -> String {
            self.judged(rules, [("Host", host), ("Origin", origin)])
        }
        #expect(self.judged(rules, [("Host", "localhost")]) == "served")
        #expect(of("http://localhost:1867") == "served")
        #expect(of("http://LOCALHOST:1867") == "served")
        #expect(of("http://localhost", host: "localhost:80") == "served")
        #expect(of("https://localhost:1867") == "forbidden_origin")
        #expect(of("http://localhost:1868") == "forbidden_origin")
        #expect(of("http://127.0.0.1:1867") == "forbidden_origin")
        #expect(of("null") == "forbidden_origin")
        #expect(of("") == "forbidden_origin")
        #expect(of("https://app.example.com") == "served https://app.example.com credentials")
        #expect(of("https://evil.org") == "forbidden_origin")
        let twice = [("Host", "localhost"), ("Origin", "https://app.example.com")]
        let both = self.judged(rules, twice + [("Origin", "https://app.example.com")])
        #expect(both == "forbidden_origin")
        let secure = [("Host", "localhost"), ("Origin", "https://localhost")]
        #expect(self.judged(rules, secure, isSecure: true) == "served")
        #expect(self.judged(rules, secure) == "forbidden_origin")
    }

    @Test("Every page may be let in, but its cookies do not count")
    func everyPage() throws {
        let rules = try self.rules(["*", "https://app.example.com"])
        let host = ("Host", "localhost")
        #expect(
            self.judged(rules, [host, ("Origin", "https://evil.org")]) == "served * no cookies"
        )
        #expect(self.judged(rules, [host, ("Origin", "null")]) == "served * no cookies")
        #expect(
            self.judged(rules, [host, ("Origin", "https://app.example.com")])
                == "served https://app.example.com credentials"
        )
        #expect(
            self.judged(rules, [host, ("Sec-Fetch-Site", "cross-site")]) == "served no cookies"
        )
    }

    @Test("What a page embeds from elsewhere is refused, a link that is followed is not")
    func embedded() throws {
        let rules = try self.rules([])
        let host = ("Host", "localhost")
        let cross = ("Sec-Fetch-Site", "cross-site")
        #expect(self.judged(rules, [host, cross]) == "forbidden_origin")
        #expect(
            self.judged(rules, [host, cross, ("Sec-Fetch-Mode", "no-cors")]) == "forbidden_origin"
        )
        #expect(self.judged(rules, [host, cross, ("Sec-Fetch-Mode", "navigate")]) == "served")
        #expect(self.judged(rules, [host, ("Sec-Fetch-Site", "same-origin")]) == "served")
        #expect(self.judged(rules, [host, ("Sec-Fetch-Site", "none")]) == "served")
    }

    @Test(
        "Names under which an open broker is served",
        arguments: [
            ("localhost", true), ("localhost:1867", true), ("a.localhost", true),
            ("127.0.0.1:1867", true), ("[::1]:1867", true), ("192.168.1.5", true),
            ("tickertape", true), ("broker.example.com", true), ("BROKER.example.com:1", true),
            ("evil.org", false), ("evil.org:1867", false), ("localhost.evil.org", false),
            ("127.0.0.1.evil.org", false), ("1.2.3.4.5", false), ("", false), ("a b", false),
            ("localhost:x", false), ("[::1", false), ("localhost.", false),
        ]
    )
    func hosts(host: String, isServed: Bool) throws {
        let rules = try self.rules([])
        #expect(self.judged(rules, [("Host", host)]) == (isServed ? "served" : "forbidden_host"))
        // Where everything needs a grant, a name gives nothing away.
        let closed = try self.rules([], checksHost: false)
        #expect(self.judged(closed, [("Host", host)]) == "served")
    }

    @Test("Who came by TLS is told to come by it alone, where that is asked for")
    func strictTransport() throws {
        var rules = try self.rules([])
        #expect(rules.transportFields(isSecure: true, isPublish: false).isEmpty)
        rules.strictTransportSeconds = 60
        #expect(
            rules.transportFields(isSecure: true, isPublish: false).map(\.value) == ["max-age=60"]
        )
        #expect(rules.transportFields(isSecure: false, isPublish: false).isEmpty)
        #expect(rules.transportFields(isSecure: true, isPublish: true).isEmpty)
    }
}
