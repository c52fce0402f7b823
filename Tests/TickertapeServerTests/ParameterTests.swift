import NIOHTTP1
import Testing
import TickertapeCore
import TickertapeWire

@testable import TickertapeServer

struct ParameterTests {
    @Test(
        "A publish takes event and key, and nothing else",
        arguments: [
            ("", "publish a"), ("?", "publish a"),
            ("?event=trade&key=k", "publish a event=trade key=k"),
            ("?event=&key=", "publish a"), ("?event=a+b&key=%2B", "publish a event=a b key=+"),
            ("?%65vent=x", "publish a event=x"),
            ("?event=Tickertape.x", "publish a event=Tickertape.x"),
            ("?event=tickertape", "publish a event=tickertape"),
            ("?event=tickertape.gap", "400 invalid_parameter"),
            ("?event=tickertape.", "400 invalid_parameter"),
            ("?event=a%0Ab", "400 invalid_parameter"), ("?event=%00", "400 invalid_parameter"),
            ("?event=%C2%85", "400 invalid_parameter"),
            ("?event=x&event=x", "400 repeated_parameter"),
            ("?key=&key=", "400 repeated_parameter"), ("?topic=b", "400 unknown_parameter"),
            ("?Event=x", "400 unknown_parameter"), ("?=", "400 unknown_parameter"),
            ("?after=1", "400 unknown_parameter"), ("?event=%", "400 bad_percent_encoding"),
        ]
    )
    func publish(query: String, route: String) {
        #expect(routed(.POST, "/topics/a/messages\(query)") == route)
    }

    @Test("An event name of the broker is known by its bytes")
    func reservedEvents() {
        let target = "/topics/a/messages?event=tickertape.%CC%81"
        #expect(routed(.POST, target) == "400 invalid_parameter")
    }

    @Test("Event and key are bounded in bytes")
    func bounds() {
        let target = "/topics/a/messages?"
        let (event, key) = (String(repeating: "e", count: 128), String(repeating: "k", count: 256))
        #expect(routed(.POST, target + "event=\(event)") == "publish a event=\(event)")
        #expect(routed(.POST, target + "event=\(event)e") == "400 invalid_parameter")
        #expect(routed(.POST, target + "key=\(key)") == "publish a key=\(key)")
        #expect(routed(.POST, target + "key=\(key)k") == "400 invalid_parameter")
        let wide = String(repeating: "%C3%A9", count: 65)
        #expect(routed(.POST, target + "event=\(wide)") == "400 invalid_parameter")
    }

    @Test(
        "History has a cursor, a limit and a time to wait, each in its range",
        arguments: [
            ("", "after=0 limit=100 wait=0.0"), ("?after=&x=1&x=2", "after=0 limit=100 wait=0.0"),
            ("?after=7&limit=1&wait=60", "after=7 limit=1 wait=60.0"),
            ("?limit=1000&wait=0.25", "after=0 limit=1000 wait=0.25"),
            ("?after=99999999999999999999", "after=9223372036854775807 limit=100 wait=0.0"),
            ("?wait=00.5", "after=0 limit=100 wait=0.5"),
        ]
    )
    func history(query: String, route: String) {
        #expect(routed(.GET, "/topics/a/messages\(query)") == "history a \(route)")
    }

    @Test(
        "A parameter of history out of its range is refused",
        arguments: [
            "after=x", "after=-1", "after=+1", "after=1.0", "after=%201", "limit=0", "limit=1001",
            "limit=-1", "limit=x", "limit=1.0", "limit=1e2", "limit=99999999999999999999",
            "wait=60.1", "wait=-1", "wait=x", "wait=1e1", "wait=nan", "wait=inf", "wait=.",
            "wait=1.2.3", "wait=61",
        ]
    )
    func badHistory(query: String) {
        #expect(routed(.GET, "/topics/a/messages?\(query)") == "400 invalid_parameter")
    }

    @Test(
        "A parameter that stands twice is refused",
        arguments: [
            "/topics/a/messages?after=1&after=1", "/topics/a/messages?limit=1&limit=2",
            "/topics/a/messages?wait=1&wait=1", "/topics/a/events?after=1&after=2",
            "/topics/a/events?tail=1&tail=1", "/events?topic=a&last_event_id=1&last_event_id=2",
            "/topics/a/events?after=1&last_event_id=1",
        ]
    )
    func repeated(target: String) {
        #expect(routed(.GET, target) == "400 repeated_parameter")
    }

    @Test(
        "A stream starts with the first of header, cursor and tail that is given",
        arguments: [
            ("", nil, "live"), ("after=7", nil, "after=7"), ("last_event_id=7", nil, "after=7"),
            ("tail=3", nil, "tail=3"), ("tail=0", nil, "live"), ("tail=1000", nil, "tail=1000"),
            ("tail=", nil, "live"),
            ("after=7&tail=3", nil, "after=7"), ("after=&tail=3", nil, "tail=3"),
            ("after=", nil, "live"), ("last_event_id=", nil, "live"), ("after=0", nil, "after=0"),
            ("after=x", nil, "unknown"), ("after=-1&tail=3", nil, "unknown"),
            ("after=99999999999999999999", nil, "after=9223372036854775807"),
            ("after=7&tail=3", "9", "after=9"), ("last_event_id=7", "9", "after=9"),
            ("after=7", "x", "unknown"), ("after=7", "", "after=7"), ("tail=3", "", "tail=3"),
            ("", "0", "after=0"), ("cachebuster=1&cachebuster=2", "5", "after=5"),
        ] as [(String, String?, String)]
    )
    func starts(query: String, lastEventID: String?, start: String) {
        let fields = lastEventID.map { [("LAST-event-id", $0)] } ?? []
        #expect(routed(.GET, "/topics/a/events?\(query)", fields) == "events a \(start)")
        #expect(routed(.GET, "/events?topic=a&\(query)", fields) == "events a \(start)")
    }

    @Test(
        "A tail out of its range is refused",
        arguments: ["tail=1001", "tail=-1", "tail=x", "tail=1.5", "tail=1001&after=1"]
    )
    func badTails(query: String) {
        #expect(routed(.GET, "/topics/a/events?\(query)") == "400 invalid_parameter")
    }

    @Test(
        "Messages are joined where that is asked for, as text",
        arguments: [
            ("", "events a live"), ("coalesce=", "events a live"),
            ("coalesce=text", "events a live coalesced"),
            ("coalesce=text&after=7", "events a after=7 coalesced"),
            ("coalesce=true", "400 invalid_parameter"), ("coalesce=Text", "400 invalid_parameter"),
            ("coalesce=text&coalesce=text", "400 repeated_parameter"),
        ]
    )
    func coalesces(query: String, route: String) {
        #expect(routed(.GET, "/topics/a/events?\(query)") == route)
        #expect(routed(.GET, "/events?topic=a&\(query)") == route)
    }

    @Test("A stream follows 1 to 128 patterns")
    func manyTopics() {
        let topics = (0..<128).map { "topic=t/\($0)" }.joined(separator: "&")
        #expect(routed(.GET, "/events?\(topics)").hasPrefix("events t/0 t/1 t/10 "))
        #expect(routed(.GET, "/events?\(topics)&topic=u") == "400 too_many_topics")
        #expect(routed(.GET, "/events") == "400 invalid_parameter")
        #expect(routed(.GET, "/events?Topic=a") == "400 invalid_parameter")
        #expect(
            routed(.GET, "/events?topic=b&topic=a/*&topic=b&topic=**") == "events ** a/* b live"
        )
        #expect(routed(.GET, "/topics/a/events?topic=b") == "events a live", "it is not asked for")
    }
}
