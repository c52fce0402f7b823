import Foundation
import NIOCore
import Testing
import TickertapeTestSupport
import TickertapeWire

struct WebSocketCommandTests {
    private typealias Row = (json: String, ref: WebSocketRef?, command: WebSocketCommand)

    private static let good: [Row] = [
        (#"{"type":"ping"}"#, nil, .ping),
        (#" {"ref":4 , "type" : "ping" } "#, .number(4), .ping),
        (#"{"ref":-9223372036854775808,"type":"ping"}"#, .number(.min), .ping),
        (#"{"ref":"","type":"ping"}"#, .text(""), .ping),
        (#"{"ref":null,"type":"\u0070ing"}"#, nil, .ping),
        (#"{"ref":"a\u0000\ud83d\ude00é","type":"ping"}"#, .text("a\u{0}😀é"), .ping),
        (
            #"{"type":"unsubscribe","subscription":"rooms","ref":3}"#, .number(3),
            .unsubscribe(subscription: "rooms")
        ),
        (
            #"{"ref":2,"type":"publish","topic":"chat/room-1","data":"hi"}"#, .number(2),
            .publish(.init(topic: "chat/room-1", data: "hi"))
        ),
        (
            #"{"type":"publish","topic":"\/","data":"\"\\\n\u00e9\b","event":"line","key":"","#
                + #""idempotency_key":"k"}"#, nil,
            .publish(
                .init(topic: "/", data: "\"\\\né\u{8}", event: "line", key: "", idempotencyKey: "k")
            )
        ),
        (
            #"{"type":"publish","topic":"","data":"","event":null,"key":null}"#, nil,
            .publish(.init(topic: "", data: ""))
        ),
        (
            #"{"type":"publish","topic":"a","data":"b","end":true,"if_last_id":0}"#, nil,
            .publish(.init(topic: "a", data: "b", end: true, ifLastID: 0))
        ),
        (
            #"{"type":"publish","topic":"a","data":"b","end":null,"if_last_id":9223372036854775807}"#,
            nil, .publish(.init(topic: "a", data: "b", ifLastID: .max))
        ),
        (#"{"ref":5,"type":"stop","topic":"a/b"}"#, .number(5), .stop(topic: "a/b")),
        (
            #"{"type":"subscribe","topics":["a"],"coalesce":"text"}"#, nil,
            .subscribe(.init(topics: ["a"], coalesce: "text"))
        ),
        (#"{"type":"subscribe","topics":[]}"#, nil, .subscribe(.init(topics: []))),
        (
            #"{"ref":"r","type":"subscribe","topics":["chat/*","é"],"after":1040,"tail":50,"#
                + #""subscription":"rooms"}"#, .text("r"),
            .subscribe(
                .init(topics: ["chat/*", "é"], after: "1040", tail: 50, subscription: "rooms")
            )
        ),
        (
            #"{"type":"subscribe","topics":["a"],"after":"x","tail":-5}"#, nil,
            .subscribe(.init(topics: ["a"], after: "x", tail: -5))
        ),
        (
            #"{"type":"subscribe","topics":["a"],"after":18446744073709551615,"tail":null}"#, nil,
            .subscribe(.init(topics: ["a"], after: "9223372036854775807"))
        ),
    ]

    @Test("Commands carry what their JSON says")
    func good() throws {
        for row in Self.good {
            let decoded = WebSocketCommand.decode(ByteBuffer(string: row.json))
            #expect(decoded.ref == row.ref, "\(row.json)")
            #expect(try decoded.result.get() == row.command, "\(row.json)")
        }
    }

    @Test(
        "What is no command is refused, saying why, with its ref where it has one",
        arguments: [
            (#"{"ref":1}"#, .invalidCommand, "the command has no 'type'"),
            (#"{"ref":1,"type":null}"#, .invalidCommand, "the command has no 'type'"),
            (#"{"ref":1,"type":5}"#, .invalidCommand, "'type' must be a string"),
            (#"{"ref":1,"type":"Ping"}"#, .unknownCommand, "there is no command 'Ping'"),
            (#"{"ref":1,"type":""}"#, .unknownCommand, "there is no command ''"),
            (#"{"ref":1,"type":"x","y":1}"#, .unknownCommand, "there is no command 'x'"),
            (#"{"ref":1,"type":"ping","b":1,"a":[{}]}"#, .unknownParameter, "'ping' has no 'a'"),
            (#"{"ref":1,"type":"ping","topic":""}"#, .unknownParameter, "'ping' has no 'topic'"),
            (
                #"{"ref":1,"type":"publish","Topic":"a","data":""}"#, .unknownParameter,
                "'publish' has no 'Topic'"
            ),
            (#"{"ref":1,"type":"publish","topic":"a"}"#, .invalidCommand, "has no 'data'"),
            (#"{"ref":1,"type":"publish","data":"a"}"#, .invalidCommand, "has no 'topic'"),
            (
                #"{"ref":1,"type":"publish","topic":"a","data":{}}"#, .invalidCommand,
                "'data' must be a string"
            ),
            (
                #"{"ref":1,"type":"publish","topic":"a","data":"\ud800"}"#, .invalidCommand,
                "'data' must be a string"
            ),
            (
                #"{"ref":1,"type":"publish","topic":"a","data":"","key":7}"#, .invalidCommand,
                "'key' must be a string"
            ),
            (
                #"{"ref":1,"type":"publish","topic":"a","data":"","end":"yes"}"#, .invalidCommand,
                "'end' must be true or false"
            ),
            (
                #"{"ref":1,"type":"publish","topic":"a","data":"","if_last_id":-1}"#,
                .invalidCommand, "'if_last_id' must be the id of a message, or 0"
            ),
            (
                #"{"ref":1,"type":"publish","topic":"a","data":"","if_last_id":"1"}"#,
                .invalidCommand, "'if_last_id' must be the id of a message, or 0"
            ),
            (#"{"ref":1,"type":"stop"}"#, .invalidCommand, "has no 'topic'"),
            (
                #"{"ref":1,"type":"stop","topic":"a","data":""}"#, .unknownParameter,
                "'stop' has no 'data'"
            ),
            (
                #"{"ref":1,"type":"subscribe","topics":[],"coalesce":true}"#, .invalidCommand,
                "'coalesce' must be a string"
            ),
            (#"{"ref":1,"type":"unsubscribe"}"#, .invalidCommand, "has no 'subscription'"),
            (#"{"ref":1,"type":"subscribe"}"#, .invalidCommand, "has no 'topics'"),
            (
                #"{"ref":1,"type":"subscribe","topics":"a"}"#, .invalidCommand,
                "'topics' must be an array of strings"
            ),
            (
                #"{"ref":1,"type":"subscribe","topics":["a",null]}"#, .invalidCommand,
                "'topics' must be an array of strings"
            ),
            (
                #"{"ref":1,"type":"subscribe","topics":[],"after":-1}"#, .invalidCommand,
                "'after' must be a whole number from 0, or a string"
            ),
            (
                #"{"ref":1,"type":"subscribe","topics":[],"after":true}"#, .invalidCommand,
                "'after' must be a whole number from 0, or a string"
            ),
            (
                #"{"ref":1,"type":"subscribe","topics":[],"after":1.5}"#, .invalidCommand,
                "'after' must be a whole number from 0, or a string"
            ),
            (
                #"{"ref":1,"type":"subscribe","topics":[],"tail":"5"}"#, .invalidCommand,
                "'tail' must be an integer"
            ),
            (
                #"{"ref":1,"type":"subscribe","topics":[],"subscription":1}"#, .invalidCommand,
                "'subscription' must be a string"
            ),
        ] as [(String, Problem.Code, String)]
    )
    func bad(json: String, code: Problem.Code, detail: String) {
        let decoded = WebSocketCommand.decode(ByteBuffer(string: json))
        #expect(decoded.ref == .number(1))
        guard case .failure(let problem) = decoded.result else {
            Issue.record("\(decoded)")
            return
        }
        #expect(problem.code == code)
        #expect(problem.detail.hasSuffix(detail), "\(problem.detail)")
    }

    @Test(
        "A ref that is neither a short text nor an integer is no ref",
        arguments: [
            "true", "1.5", "[1]", "{}", "9223372036854775808", "1e400", #""\ud800""#,
            "\"\(String(repeating: "x", count: 129))\"",
        ]
    )
    func badRef(ref: String) {
        let decoded = WebSocketCommand.decode(ByteBuffer(string: #"{"type":"ping","ref":\#(ref)}"#))
        #expect(decoded.ref == nil)
        guard case .failure(let problem) = decoded.result else {
            Issue.record("\(decoded)")
            return
        }
        #expect(problem.code == .invalidCommand)
    }

    @Test("The longest ref is echoed")
    func longRef() {
        let text = String(repeating: "x", count: 128)
        let json = #"{"ref":"\#(text)","type":"ping"}"#
        #expect(WebSocketCommand.decode(ByteBuffer(string: json)).ref == .text(text))
    }
}
