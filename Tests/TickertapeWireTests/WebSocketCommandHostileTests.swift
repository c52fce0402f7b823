import Foundation
import NIOCore
import Testing
import TickertapeTestSupport
import TickertapeWire

struct WebSocketCommandHostileTests {
    private func problem(_ bytes: [UInt8]) -> Problem? {
        let decoded = WebSocketCommand.decode(ByteBuffer(bytes: bytes))
        guard case .failure(let problem) = decoded.result else { return nil }
        return problem
    }

    @Test(
        "What is no JSON object is refused",
        arguments: [
            "", " ", "{", "}", "null", "[]", "5", #""ping""#, #"{"type":"ping"} x"#,
            #"{"type":"ping""#, #"{type:"ping"}"#, #"{"type":"pi"#,
            "{\"type\":\"ping\",\"ref\":\"\n\"}", #"{"type":"ping","ref":01}"#,
            "{\"type\":\"ping\"}\u{0}", "\u{0}", "{\u{0}\"\u{0}", "\u{FEFF}\u{FEFF}{}",
            #"[{"type":"ping"}]"#, #"{"type":"ping","ref":+1}"#, #"{"type":"ping" "ref":1}"#,
        ]
    )
    func notObjects(json: String) {
        #expect(self.problem(Array(json.utf8))?.code == .invalidCommand)
    }

    @Test("Bytes in UTF-16 are no JSON")
    func otherEncodings() {
        for encoding in [String.Encoding.utf16LittleEndian, .utf16BigEndian, .utf32LittleEndian] {
            let bytes = #"{"type":"ping"}"#.data(using: encoding) ?? Data()
            #expect(self.problem(Array(bytes))?.code == .invalidCommand)
        }
    }

    @Test("Deep nesting is refused, wherever it stands")
    func nesting() {
        for (open, close) in [("[", "]"), (#"{"a":"#, "}")] {
            for isClosed in [true, false] {
                let deep = String(repeating: open, count: 100_000)
                let end = isClosed ? String(repeating: close, count: 100_000) : ""
                for json in [deep + end, #"{"type":"ping","x":"# + deep + "1" + end + "}"] {
                    #expect(self.problem(Array(json.utf8)) != nil)
                }
            }
        }
    }

    @Test("Numbers of a hundred thousand digits are refused in no time")
    func hugeNumbers() {
        let digits = String(repeating: "9", count: 100_000)
        for number in [digits, "-" + digits, "0." + digits, "1e" + digits, "1e-" + digits] {
            for json in [
                #"{"type":"ping","ref":\#(number)}"#,
                #"{"type":"subscribe","topics":[],"after":\#(number)}"#,
                #"{"type":"subscribe","topics":[],"tail":\#(number)}"#,
            ] {
                let bytes = Array(json.utf8)
                let took = ContinuousClock().measure { _ = self.problem(bytes) }
                #expect(took < .seconds(5), "\(json.prefix(60))")
            }
        }
    }

    @Test("A field that stands twice counts once")
    func duplicates() {
        let json = #"{"type":"ping","type":"ping","ref":1,"ref":1}"#
        #expect(WebSocketCommand.decode(ByteBuffer(string: json)).ref == .number(1))
        let other = #"{"type":"ping","type":"nothing"}"#
        let code = self.problem(Array(other.utf8))?.code
        #expect(code == nil || code == .unknownCommand)
    }

    @Test("A sentence repeats only the start of what the client sent")
    func shortDetails() {
        let long = String(repeating: "é", count: 100_000)
        for json in [#"{"type":"\#(long)"}"#, #"{"type":"ping","\#(long)":1}"#] {
            let problem = self.problem(Array(json.utf8))
            #expect((problem?.detail.utf8.count ?? 0) < 200)
        }
    }

    @Test("A million values are refused without decoding them")
    func manyValues() {
        let zeros = String(repeating: "0,", count: 1_000_000)
        let took = ContinuousClock().measure {
            let topics = self.problem(Array(#"{"type":"subscribe","topics":[\#(zeros)0]}"#.utf8))
            #expect(topics?.detail == "a command has at most 4096 values")
        }
        #expect(took < .seconds(20))
        let fields = (0...5_000).map { #""\#($0)":0"# }.joined(separator: ",")
        #expect(self.problem(Array("{\(fields)}".utf8))?.code == .invalidCommand)
    }

    @Test("Values are counted, not the commas of texts")
    func fewValues() throws {
        let commas = String(repeating: #",\""#, count: 100_000)
        let json = #"{"type":"publish","topic":"a","data":"\#(commas)","key":null}"#
        let decoded = WebSocketCommand.decode(ByteBuffer(string: json))
        let data = String(repeating: ",\"", count: 100_000)
        #expect(try decoded.result.get() == .publish(.init(topic: "a", data: data)))
        let topics = (0..<4_000).map { #""\#($0)""# }.joined(separator: ",")
        let many = #"{"type":"subscribe","topics":[\#(topics)]}"#
        guard
            case .success(.subscribe(let subscribe)) =
                WebSocketCommand.decode(ByteBuffer(string: many)).result
        else {
            Issue.record("the command was refused")
            return
        }
        #expect(subscribe.topics.count == 4_000)
    }

    @Test("A command damaged at random is decoded or refused, never more")
    func fuzz() {
        let seed = Seed()
        var random = seed.generator
        let good = [
            #"{"ref":1,"type":"subscribe","topics":["stocks/*","é"],"after":1040,"tail":5}"#,
            #"{"ref":"a\n","type":"publish","topic":"a","data":"\u00e9\ud83d\ude00","key":"k"}"#,
        ].map { Array($0.utf8) }
        let codes: [Problem.Code] = [.invalidCommand, .unknownCommand, .unknownParameter]
        for _ in 0..<5_000 {
            var bytes = random.pick(good)
            for _ in 0..<random.int(1...3) {
                let index = random.int(0...bytes.count - 1)
                switch random.int(0...2) {
                case 0: bytes[index] = .random(in: 0...255, using: &random)
                case 1: bytes.remove(at: index)
                default: bytes.insert(random.pick(bytes), at: index)
                }
            }
            guard let problem = self.problem(bytes) else { continue }
            #expect(codes.contains(problem.code), "\(seed)")
        }
    }
}
