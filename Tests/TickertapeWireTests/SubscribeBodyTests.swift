import NIOCore
import Testing
import TickertapeCore
import TickertapeTestSupport
import TickertapeWire

struct SubscribeBodyTests {
    struct Good: Sendable {
        let json: String
        let topics: [String]
        var after: String?
        var tail: Int?
    }

    @Test(
        "Topics are required, after is a number or digits, tail a number",
        arguments: [
            Good(json: #"{"topics":["a"]}"#, topics: ["a"]),
            Good(json: #" {"topics" : [ "a" , "b/*" ] } "#, topics: ["a", "b/*"]),
            Good(json: #"{"topics":[]}"#, topics: []),
            Good(json: #"{"topics":["é\u0301\/"]}"#, topics: ["é\u{301}/"]),
            Good(json: #"{"topics":["a"],"after":1040}"#, topics: ["a"], after: "1040"),
            Good(json: #"{"topics":["a"],"after":"1040"}"#, topics: ["a"], after: "1040"),
            Good(json: #"{"topics":["a"],"after":0}"#, topics: ["a"], after: "0"),
            Good(json: #"{"topics":["a"],"after":""}"#, topics: ["a"], after: ""),
            Good(json: #"{"topics":["a"],"after":"x"}"#, topics: ["a"], after: "x"),
            Good(json: #"{"topics":["a"],"after":-1}"#, topics: ["a"], after: "-1"),
            Good(json: #"{"topics":["a"],"after":null,"tail":null}"#, topics: ["a"]),
            Good(json: #"{"tail":5,"topics":["a"]}"#, topics: ["a"], tail: 5),
            Good(json: #"{"topics":["a"],"tail":-5}"#, topics: ["a"], tail: -5),
            Good(
                json: #"{"topics":["a"],"after":9223372036854775807}"#,
                topics: ["a"],
                after: "9223372036854775807"
            ),
        ]
    )
    func good(_ row: Good) throws {
        let body = try SubscribeBody.decode(ByteBuffer(string: row.json))
        #expect(body.topics.map { Array($0.utf8) } == row.topics.map { Array($0.utf8) })
        #expect(body.after == row.after)
        #expect(body.tail == row.tail)
    }

    @Test("What to join is told as it came, and is a text")
    func coalesce() throws {
        for (field, value) in [("", nil), (#","coalesce":"text""#, "text")] as [(String, String?)] {
            let json = #"{"topics":["a"]\#(field)}"#
            #expect(try SubscribeBody.decode(ByteBuffer(string: json)).coalesce == value)
        }
        let wrong = ByteBuffer(string: #"{"topics":["a"],"coalesce":true}"#)
        #expect(throws: Problem.self) { try SubscribeBody.decode(wrong) }
    }

    @Test("A cursor above every id may come as a number, like one in digits")
    func hugeCursor() throws {
        let json = #"{"topics":["a"],"after":9223372036854775808}"#
        let body = try SubscribeBody.decode(ByteBuffer(string: json))
        #expect(StartPosition(cursor: body.after ?? "") == .after(.max))
    }

    @Test(
        "What is not this object is refused, saying why",
        arguments: [
            ("", .invalidBody), ("{", .invalidBody), ("null", .invalidBody), ("[]", .invalidBody),
            (#""topics""#, .invalidBody), ("{}", .invalidBody), (#"{"after":1}"#, .invalidBody),
            (#"{"topics":"a"}"#, .invalidBody), (#"{"topics":[1]}"#, .invalidBody),
            (#"{"topics":null}"#, .invalidBody), (#"{"topics":[null]}"#, .invalidBody),
            (#"{"topics":["a"],"after":true}"#, .invalidBody),
            (#"{"topics":["a"],"after":1.5}"#, .invalidBody),
            (#"{"topics":["a"],"after":[1]}"#, .invalidBody),
            (#"{"topics":["a"],"tail":"5"}"#, .invalidBody),
            (#"{"topics":["a"],"tail":1.5}"#, .invalidBody),
            (#"{"topics":["a"],"tail":99999999999999999999}"#, .invalidBody),
            (#"{"topics":["a"]} x"#, .invalidBody),
            (#"{"topics":["a"],"limit":1}"#, .unknownParameter),
            (#"{"topic":["a"]}"#, .unknownParameter),
            (#"{"Topics":["a"],"topics":["a"]}"#, .unknownParameter),
        ] as [(String, Problem.Code)]
    )
    func bad(json: String, code: Problem.Code) {
        let problem = #expect(throws: Problem.self) {
            try SubscribeBody.decode(ByteBuffer(string: json))
        }
        #expect(problem?.code == code)
        #expect(problem?.detail.isEmpty == false)
    }

    @Test("Bytes that are not UTF-8 are refused")
    func notUTF8() {
        let bytes = Array(#"{"topics":[""#.utf8) + [0xFF] + Array(#""]}"#.utf8)
        let problem = #expect(throws: Problem.self) {
            try SubscribeBody.decode(ByteBuffer(bytes: bytes))
        }
        #expect(problem?.code == .invalidBody)
    }

    @Test("A body damaged at random is decoded or refused, never more")
    func fuzz() {
        let seed = Seed()
        var random = seed.generator
        let good = Array(#"{"topics":["stocks/*","é"],"after":1040,"tail":5}"#.utf8)
        for _ in 0..<3_000 {
            var bytes = good
            for _ in 0..<random.int(1...3) {
                let index = random.int(0...bytes.count - 1)
                switch random.int(0...2) {
                case 0: bytes[index] = .random(in: 0...255, using: &random)
                case 1: bytes.remove(at: index)
                default: bytes.insert(random.pick(good), at: index)
                }
            }
            do throws(Problem) {
                _ = try SubscribeBody.decode(ByteBuffer(bytes: bytes))
            } catch {
                #expect([.invalidBody, .unknownParameter].contains(error.code), "\(seed)")
            }
        }
    }
}
