import Foundation
import NIOCore
import Testing
import TickertapeCore

@testable import TickertapeAdmin

struct JSONTests {
    private func detail(_ body: () throws -> Void) -> String? {
        (#expect(throws: AdminProblem.self) { try body() })?.detail
    }

    private func value(_ text: String) throws -> JSONValue {
        try JSONValue(parsing: ByteBuffer(string: text))
    }

    @Test("Numbers, flags and texts stay what they are")
    func kinds() throws {
        #expect(
            try self.value(#"[1, -1, 1.5, true, "1", null, {"a": []}]"#)
                == .array([
                    .integer(1), .integer(-1), .number(1.5), .bool(true), .string("1"), .null,
                    .object(["a": .array([])]),
                ])
        )
        #expect(try self.value("9223372036854775807") == .integer(.max))
    }

    @Test("What is not JSON is refused", arguments: ["", "{", "{\"a\":}", "nul", "\u{0}", "{} {}"])
    func malformed(_ text: String) {
        #expect(self.detail { _ = try self.value(text) } == "the body is not JSON")
    }

    @Test("A wrong type names the field and says what would be right")
    func types() throws {
        let names = ["a", "b"]
        #expect(
            self.detail { _ = try JSONFields(try self.value("[]"), names: names) }
                == "the body is a JSON object, this one is an array"
        )
        #expect(
            self.detail { _ = try JSONFields(try self.value(#"{"c":1}"#), names: names) }
                == "the body takes 'a', 'b', not 'c'"
        )
        let fields = try JSONFields(try self.value(#"{"a":"x","b":1.5}"#), names: names)
        #expect(
            self.detail { _ = try fields.bool("a") }
                == "'a' in the body is true or false, not a string"
        )
        #expect(
            self.detail { _ = try fields.string("b") }
                == "'b' in the body is a string, not a number"
        )
        #expect(
            self.detail { _ = try fields.integer("b", in: 1...9) }
                == "'b' in the body is a whole number from 1 to 9, not 1.5"
        )
    }

    @Test("A policy is read whole, and what it leaves out is not limited")
    func policy() throws {
        let pattern = try TopicPattern("a/*")
        #expect(try Policy(try self.value("{}"), pattern: pattern) == Policy(pattern: pattern))
        let full = try Policy(
            try self.value(
                """
                {"pattern":"a/*","max_age_seconds":60,"max_messages":null,"max_bytes":1,
                "max_message_bytes":9007199254740991,"max_publishes_per_second":0.5,
                "max_publish_bytes_per_second":1000000,"creates_topics":false,"description":"x"}
                """
            ),
            pattern: pattern
        )
        #expect(
            full
                == Policy(
                    pattern: pattern,
                    maxAgeSeconds: 60,
                    maxBytes: 1,
                    maxMessageBytes: 9_007_199_254_740_991,
                    maxPublishesPerSecond: 0.5,
                    maxPublishBytesPerSecond: 1_000_000,
                    createsTopics: false,
                    description: "x"
                )
        )
        var writer = full.json
        #expect(try Policy(try JSONValue(parsing: writer.buffer), pattern: nil) == full)
        writer = JSONWriter()
        for text in [
            #"{"max_messages":0}"#, #"{"max_messages":-1}"#, #"{"max_bytes":9007199254740992}"#,
            #"{"max_age_seconds":"60"}"#, #"{"pattern":"b"}"#, #"{"max":1}"#,
            #"{"max_publishes_per_second":0}"#, #"{"max_publishes_per_second":-1.5}"#,
            #"{"max_publish_bytes_per_second":"9"}"#, #"{"max_publishes_per_second":1e300}"#,
            #"{"creates_topics":1}"#, #"{"creates_topics":null}"#, #"{"description":null}"#,
        ] {
            let problem = #expect(throws: AdminProblem.self, "\(text)") {
                try Policy(try self.value(text), pattern: pattern)
            }
            #expect(problem?.status == 400, "\(text)")
        }
    }

    @Test("What is written is JSON with commas where they belong, and numbers that JSON has")
    func writer() throws {
        var writer = JSONWriter()
        writer.object { writer in
            writer.field("a", "x\"\n")
            writer.field("b", nil as Int64?)
            writer.field("c", 0.1)
            writer.field("d", Double.nan)
            writer.field("e", 12.0)
            writer.array("f", of: [1.5, 2]) { $0.element($1) }
            writer.array("g") { _ in }
            writer.object("h") { $0.field("i", true) }
            writer.time("j", milliseconds: 125)
        }
        #expect(
            String(buffer: writer.buffer)
                == #"{"a":"x\"\n","b":null,"c":0.1,"d":null,"e":12,"f":[1.5,2],"g":[],"#
                + #""h":{"i":true},"j":"1970-01-01T00:00:00.125Z"}"#
        )
    }

    @Test("Large and small numbers are written as JSON has them")
    func numbers() throws {
        for value in [1e-7, 1e-5, 0.000_123_4, 123_456_789.125, 1e15, 1e300, -2.5] {
            var writer = JSONWriter()
            writer.object { $0.field("a", value) }
            let object = try JSONSerialization.jsonObject(
                with: Data(writer.buffer.readableBytesView)
            )
            let read = try #require((object as? [String: Double])?["a"])
            #expect(abs(read - value) <= max(1e-6, abs(value) * 1e-9), "\(value)")
        }
    }
}
