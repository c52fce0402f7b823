import NIOCore
import Testing

@testable import TickertapeWire

struct StreamedMessageTests {
    private func decoded(_ line: String) -> String {
        do throws(Problem) {
            let message = try StreamedMessage.decode(ByteBuffer(string: line))
            let parts = [
                message.topic.map { "topic=\($0)" }, message.event.map { "event=\($0)" },
                message.key.map { "key=\($0)" }, message.idempotencyKey.map { "once=\($0)" },
                message.endsTopic ? "end" : nil, message.lastID.map { "if=\($0)" },
            ]
            return (["'\(message.data)'"] + parts.compactMap { $0 }).joined(separator: " ")
        } catch {
            return "\(error.code.rawValue): \(error.detail)"
        }
    }

    @Test(
        "A line is an object whose members mean what they say",
        arguments: [
            (#"{"data":""}"#, "''"), (#" { "data" : "a" } "#, "'a'"),
            (#"{"data":"a\n\u00e9\ud834\udd1e\/"}"#, "'a\né𝄞/'"),
            (
                #"{"topic":"t","event":"e","key":"k","idempotency_key":"i","end":true,"if_last_id":7,"data":"d"}"#,
                "'d' topic=t event=e key=k once=i end if=7"
            ),
            (#"{"data":"a","event":null,"key":null,"end":null,"if_last_id":null}"#, "'a'"),
            (#"{"data":"a","event":"","end":false,"if_last_id":0}"#, "'a' event= if=0"),
        ]
    )
    func good(line: String, expected: String) {
        #expect(self.decoded(line) == expected)
    }

    @Test(
        "What is wrong with a line is said",
        arguments: [
            (#"{}"#, "invalid_body: the line has no 'data'"),
            (#"{"event":"e"}"#, "invalid_body: the line has no 'data'"),
            (#"{"data":null}"#, "invalid_body: 'data' must be a string"),
            (#"{"data":1}"#, "invalid_body: 'data' must be a string"),
            (#"{"data":["a"]}"#, "invalid_body: 'data' must be a string"),
            (#"{"data":"a","event":{}}"#, "invalid_body: 'event' must be a string"),
            (#"{"data":"a","end":1}"#, "invalid_body: 'end' must be true or false"),
            (#"{"data":"a","end":"true"}"#, "invalid_body: 'end' must be true or false"),
            (
                #"{"data":"a","if_last_id":-1}"#,
                "invalid_body: 'if_last_id' must be the id of a message, or 0"
            ),
            (
                #"{"data":"a","if_last_id":1.5}"#,
                "invalid_body: 'if_last_id' must be the id of a message, or 0"
            ),
            (
                #"{"data":"a","if_last_id":"1"}"#,
                "invalid_body: 'if_last_id' must be the id of a message, or 0"
            ),
            (#"{"data":"a","data":"b"}"#, "invalid_body: the line has 'data' twice"),
            (#"{"data":"a","Data":"b"}"#, "unknown_parameter: a line has no member 'Data'"),
            (#"{"data":"a","id":1}"#, "unknown_parameter: a line has no member 'id'"),
            (
                #"{"data":"a"} {}"#,
                "invalid_body: a line has one JSON object and nothing behind it"
            ),
            (#"["a"]"#, #"invalid_body: a line is a JSON object such as {"data":"…"}"#),
            (#""a""#, #"invalid_body: a line is a JSON object such as {"data":"…"}"#),
            (#"{"data":"a",}"#, "invalid_body: the line is not well-formed JSON"),
            (#"{"data":"a""#, "invalid_body: the line is not well-formed JSON"),
            (#"{"data":"a}"#, "invalid_body: the line is not well-formed JSON"),
            (#"{data:"a"}"#, "invalid_body: the line is not well-formed JSON"),
            (#"{"data":"\x"}"#, "invalid_body: the line is not well-formed JSON"),
            (#"{"data":"\ud834"}"#, "invalid_body: the line is not well-formed JSON"),
            ("{\"data\":\"a\tb\"}", "invalid_body: the line is not well-formed JSON"),
            ("\u{FEFF}{}", #"invalid_body: a line is a JSON object such as {"data":"…"}"#),
        ]
    )
    func bad(line: String, expected: String) {
        #expect(self.decoded(line) == expected)
    }

    @Test("A line that is not UTF-8 is no text")
    func notUTF8() {
        let line = ByteBuffer(bytes: Array(#"{"data":""#.utf8) + [0xFF] + Array(#""}"#.utf8))
        #expect(throws: Problem.self) { try StreamedMessage.decode(line) }
        let problem = #expect(throws: Problem.self) { try StreamedMessage.decode(line) }
        #expect(problem?.code == .notUTF8)
    }

    @Test("Blank lines are none, and the last needs no end")
    func blank() throws {
        var reader = StreamedMessageReader(.lines, lineBytesMax: 100, dataBytesMax: 100)
        reader.append(ByteBuffer(string: "\n \t\r\n{\"data\":\"a\"}\r\n\n{\"data\":\"b\"}"))
        #expect(try reader.next()?.data == "a")
        #expect(try reader.next() == nil)
        #expect(try reader.nextOrLast()?.data == "b")
        #expect(try reader.nextOrLast() == nil)
        #expect(reader.heldBytes == 0)
    }

    @Test("A line that is too long, an event that is not closed")
    func refused() {
        var lines = StreamedMessageReader(.lines, lineBytesMax: 10, dataBytesMax: 100)
        lines.append(ByteBuffer(string: "{\"data\":\"12345\"}\n"))
        #expect(#expect(throws: Problem.self) { try lines.next() }?.code == .messageTooLarge)
        var events = StreamedMessageReader(.events, lineBytesMax: 10, dataBytesMax: 100)
        events.append(ByteBuffer(string: "data: a\n\ndata: b\n"))
        #expect(
            #expect(throws: Problem.self) {
                while try events.nextOrLast() != nil {}
            }?.code == .incompleteEvent
        )
    }
}
