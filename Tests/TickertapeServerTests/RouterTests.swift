import NIOHTTP1
import Testing
import TickertapeCore
import TickertapeWire

@testable import TickertapeServer

struct RouterTests {
    @Test(
        "The last segments of a path decide",
        arguments: [
            (.POST, "/topics/a/messages", "publish a"),
            (.POST, "/topics/stocks/BRK.B/messages", "publish stocks/BRK.B"),
            (.POST, "/topics/a/messages/messages", "publish a/messages"),
            (.POST, "/topics/a/messages/1/messages", "publish a/messages/1"),
            (.POST, "/topics/messages/messages", "publish messages"),
            (.POST, "/topics/events/messages", "publish events"),
            (.POST, "/topics/a/messages?end=true&key=k", "publish a key=k end"),
            (.POST, "/topics/a/b/stop", "stop a/b"), (.POST, "/topics/stop/stop", "stop stop"),
            (.GET, "/topics/a/messages", "history a after=0 limit=100 wait=0.0"),
            (.HEAD, "/topics/a/*/messages", "history a/* after=0 limit=100 wait=0.0"),
            (.GET, "/topics/**/messages", "history ** after=0 limit=100 wait=0.0"),
            (.GET, "/topics/a/messages/messages", "history a/messages after=0 limit=100 wait=0.0"),
            (.GET, "/topics/a/messages/12", "message a 12"),
            (.HEAD, "/topics/a/messages/messages/0012", "message a/messages 12"),
            (.GET, "/topics/a/messages/0", "message a 0"),
            (.GET, "/topics/a/messages/99999999999999999999", "message a 9223372036854775807"),
            (.GET, "/topics/a/events", "events a live"),
            (.GET, "/topics/a/messages/events", "events a/messages live"),
            (.GET, "/topics/a/b/**/events", "events a/b/** live"),
            (.GET, "/events?topic=a", "events a live"), (.POST, "/events", "events by body"),
            (.POST, "/events?whatever=1", "events by body"), (.GET, "/healthz", "health"),
            (.HEAD, "/healthz?x=1", "health"), (.GET, "/demo/", "demo ticker"),
            (.GET, "/demo/chat", "demo chat"), (.HEAD, "/demo/assistant", "demo assistant"),
            (.GET, "/demo/assistant.js", "demo assistantScript"),
            (.GET, "/demo/pages/", "demo pages"), (.GET, "/demo/pages/tenth?x", "demo tenth"),
            (.GET, "/tickertape.js", "client script"),
            (.HEAD, "/tickertape.js?v=1", "client script"),
            (.GET, "/tickertape.d.ts", "client types"),
            (.GET, "/demo", "demo redirect"),
            (.POST, "http://localhost:1867/topics/a/messages?key=k", "publish a key=k"),
            (.GET, "https://localhost/healthz", "health"),
        ] as [(HTTPMethod, String, String)]
    )
    func routes(method: HTTPMethod, target: String, route: String) {
        #expect(routed(method, target) == route)
    }

    @Test(
        "What is not there is not found, with any method",
        arguments: [
            "/topics", "/topics/", "/topics/a", "/topics/messages", "/topics/events",
            "/topics/a/b", "/topics/a/message", "/topics/a/events/", "/topics/a/messages/1/x",
            "/topics/a/messages/abc", "/topics/a/messages/", "/topics/a/messages/-1",
            "/topics/a/messages/1.0", "/topics/a/messages/%D9%A1",
            "/event", "/events/", "/healthz/", "/Healthz", "/demo/x", "/demo/pages",
            "/demo/pages/x", "/tickertape", "/tickertape.js/", "*", "//topics/a/messages",
            "",
        ]
    )
    func notFound(target: String) {
        for method in [HTTPMethod.GET, .POST, .DELETE, .OPTIONS] {
            #expect(routed(method, target) == "404 not_found", "\(method)")
        }
    }

    @Test(
        "The media type makes a publish one of many messages",
        arguments: [
            (.POST, "/topics/a/messages", "application/x-ndjson", "stream a lines"),
            (.PUT, "/topics/a/messages", "Text/Event-Stream; charset=utf-8", "stream a events"),
            (
                .POST, "/topics/a/messages?done=%5BDONE%5D&event=e&end=true", "text/event-stream",
                "stream a events event=e done=[DONE] end"
            ),
            (.POST, "/messages", "application/x-ndjson", "stream - lines"),
            (.POST, "/messages?atomic=true", "application/x-ndjson", "batch - lines"),
            (.POST, "/messages?atomic=false", "application/x-ndjson", "stream - lines"),
            (.POST, "/messages?end=true", "application/x-ndjson", "400 unknown_parameter"),
            (.POST, "/messages", "text/event-stream", "415 unsupported_media_type"),
            (.POST, "/topics/a/messages?done=x", "text/plain", "400 unknown_parameter"),
            (.POST, "/topics/a/messages?end=1", "text/plain", "400 invalid_parameter"),
            (.PUT, "/topics/a/messages", "application/json", "405 method_not_allowed"),
            (.GET, "/topics/a/stop", "text/plain", "405 method_not_allowed"),
            (.POST, "/topics/a*/stop", "text/plain", "400 invalid_topic"),
        ] as [(HTTPMethod, String, String, String)]
    )
    func streams(method: HTTPMethod, target: String, type: String, route: String) {
        #expect(routed(method, target, [("Content-Type", type)]) == route)
    }

    @Test(
        "Without the demo its paths are not found",
        arguments: [
            "/demo", "/demo/", "/", "http://localhost", "/demo/assistant", "/demo/pages/",
            "/demo/markdown.js",
        ]
    )
    func noDemo(target: String) {
        #expect(routed(.GET, target, hasDemo: false) == "404 not_found")
    }

    @Test(
        "A path that exists names the methods it takes",
        arguments: [
            ("/topics/a/messages", "GET, HEAD, POST", [.PUT, .DELETE, .OPTIONS, .PATCH]),
            ("/topics/a/messages/1", "GET, HEAD", [.POST, .DELETE]),
            ("/topics/a/events", "GET", [.POST, .HEAD, .DELETE]),
            ("/events?topic=a", "GET, POST", [.HEAD, .PUT]),
            ("/healthz", "GET, HEAD", [.POST]), ("/demo/", "GET, HEAD", [.POST]),
            ("/demo", "GET, HEAD", [.DELETE]),
        ] as [(String, String, [HTTPMethod])]
    )
    func methods(target: String, allow: String, methods: [HTTPMethod]) throws {
        for method in methods {
            let head = head(method, target)
            let problem = #expect(throws: Problem.self) {
                try Router(limits: Limits(), features: .demo(true)).route(
                    head,
                    RequestHeader(head.headers)
                )
            }
            #expect(problem?.code == .methodNotAllowed, "\(method)")
            #expect(problem?.allow == allow, "\(method)")
        }
    }

    @Test(
        "Names are decoded and checked",
        arguments: [
            (.POST, "/topics/a%2Fb/messages", "publish a/b"),
            (.POST, "/topics/%61+b/messages", "publish a+b"),
            (.POST, "/topics/a%20b/messages", "publish a b"),
            (.GET, "/topics/%2A/events", "events * live"),
            (.GET, "/topics/a/%2A%2A/messages", "history a/** after=0 limit=100 wait=0.0"),
            (.POST, "/topics//messages", "400 invalid_topic"),
            (.POST, "/topics/a//b/messages", "400 invalid_topic"),
            (.POST, "/topics/a%2F%2Fb/messages", "400 invalid_topic"),
            (.POST, "/topics/a/../b/messages", "400 invalid_topic"),
            (.POST, "/topics/%2e%2e/messages", "400 invalid_topic"),
            (.POST, "/topics/a*/messages", "400 invalid_topic"),
            (.POST, "/topics/%0A/messages", "400 invalid_topic"),
            (.GET, "/topics/*/messages/1", "400 invalid_topic"),
            (.GET, "/topics/a*/messages", "400 invalid_pattern"),
            (.GET, "/topics/**/a/events", "400 invalid_pattern"),
            (.GET, "/topics//events", "400 invalid_pattern"),
            (.GET, "/events?topic=a&topic=", "400 invalid_pattern"),
            (.GET, "/events?topic=a//b", "400 invalid_pattern"),
            (.POST, "/topics/%zz/messages", "400 bad_percent_encoding"),
            (.GET, "/topics/a%2/events", "400 bad_percent_encoding"),
            (.GET, "/events?topic=%", "400 bad_percent_encoding"),
        ] as [(HTTPMethod, String, String)]
    )
    func names(method: HTTPMethod, target: String, route: String) {
        #expect(routed(method, target) == route)
    }

    @Test(
        "A path is decoded before its last segments decide (§2.5)",
        arguments: [
            (.POST, "/topics/a%2Fmessages", "publish a"),
            (.GET, "/topics/a/%6Dessages", "history a after=0 limit=100 wait=0.0"),
            (.GET, "/topics/a/messages%2F12", "message a 12"),
            (.GET, "/topics/a%2Fevents", "events a live"),
            (.GET, "/topics/a/messages/%31%32", "message a 12"),
        ] as [(HTTPMethod, String, String)]
    )
    func decodedFirst(method: HTTPMethod, target: String, route: String) {
        #expect(routed(method, target) == route)
    }

    @Test(
        "Bytes that are not UTF-8 make a bad name, or a bad parameter (§2.7)",
        arguments: [
            (.POST, "/topics/%FF/messages", "400 invalid_topic"),
            (.POST, "/topics/a\u{FFFD}\u{301}/messages", "400 invalid_topic"),
            (.GET, "/topics/\u{FFFD}/events", "400 invalid_pattern"),
            (.GET, "/events?topic=\u{FFFD}", "400 invalid_parameter"),
            (.GET, "/topics/a%C3/messages/1", "400 invalid_topic"),
            (.GET, "/topics/%FF/messages", "400 invalid_pattern"),
            (.GET, "/topics/%ED%A0%80/events", "400 invalid_pattern"),
            (.POST, "/topics/a/messages?key=%FF", "400 invalid_parameter"),
            (.GET, "/events?topic=%FF", "400 invalid_parameter"),
        ] as [(HTTPMethod, String, String)]
    )
    func notUTF8(method: HTTPMethod, target: String, route: String) {
        #expect(routed(method, target) == route)
    }

    @Test("Segments count as bytes, whatever combining mark follows a slash")
    func segmentsAreBytes() {
        #expect(routed(.POST, "/topics/\u{301}a/messages") == "publish \u{301}a")
        #expect(routed(.POST, "/topics/a/\u{301}b/messages") == "publish a/\u{301}b")
    }

    @Test("A target over its limit is refused, one at it is not")
    func longTargets() {
        let path = "/topics/a/events?x="
        let longest = path + String(repeating: "y", count: 8_192 - path.utf8.count)
        #expect(routed(.GET, longest) == "events a live")
        #expect(routed(.GET, longest + "y") == "414 uri_too_long")
        #expect(routed(.GET, "/" + String(repeating: "é", count: 4_096)) == "414 uri_too_long")
    }
}
