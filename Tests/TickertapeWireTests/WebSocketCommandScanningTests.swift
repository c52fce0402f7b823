import NIOCore
import Testing
import TickertapeTestSupport
import TickertapeWire

/// The short way for a publish says what the long one says.
struct WebSocketCommandScanningTests {
    private func scanned(_ json: String) -> WebSocketCommand.Decoded? {
        WebSocketCommand.Decoded(scanning: ByteBuffer(string: json))
    }

    @Test(
        "A usual publish is scanned",
        arguments: [
            #"{"ref":2,"type":"publish","topic":"chat/room-1","data":"hi"}"#,
            #" { "type" : "publish" , "data":"","topic":"é" } "#,
            #"{"ref":"a","type":"publish","topic":"a","data":"{\"price\":1.5,\n\"s\":\"\\\/\"}"}"#,
            #"{"ref":0,"type":"publish","topic":"a","data":"\u00e9\uD83D\ude00\u0000\b\f\t\r"}"#,
            #"{"type":"publish","topic":"a","data":"b","event":"c","key":"","idempotency_key":"d"}"#,
            #"{"ref":999999999999999999,"type":"publish","topic":"a","data":"b"}"#,
            #"{"type":"publish","topic":"a","data":"b","end":true}"#,
            #"{"type":"publish","end" : false ,"topic":"a","data":"b"}"#,
            #"{"type":"publish","topic":"a","data":"b","if_last_id":0,"end":true}"#,
            #"{"if_last_id": 999999999999999999 ,"type":"publish","topic":"a","data":"b"}"#,
        ]
    )
    func taken(json: String) throws {
        let fast = try #require(self.scanned(json))
        let slow = WebSocketCommand.Decoded(parsing: ByteBuffer(string: json))
        #expect(fast.ref == slow.ref)
        #expect(try fast.result.get().isSame(as: slow.result.get()))
    }

    @Test(
        "What is unusual or wrong is left to the decoder",
        arguments: [
            "", "{", "{}", #"{"type":"ping"}"#, #"{"type":"publish","topic":"a"}"#,
            #"{"type":"publish","topic":"a","data":"b",}"#,
            #"{"type":"publish","topic":"a","data":"b"} x"#,
            #"{"type":"publish","topic":"a","data":"b","data":"c"}"#,
            #"{"type":"publish","topic":"a","data":"b","key":null}"#,
            #"{"type":"publish","topic":"a","data":"b","x":"y"}"#,
            #"{"type":"publish","topic":"a","data":"\ud83d"}"#,
            #"{"type":"publish","topic":"a","data":"\ud83d\u0061"}"#,
            #"{"type":"publish","topic":"a","data":"\ude00"}"#,
            #"{"type":"publish","topic":"a","data":"\u00g0"}"#,
            #"{"type":"publish","topic":"a","data":"\u+0e9"}"#,
            #"{"type":"publish","topic":"a","data":"\u-0e9"}"#,
            #"{"type":"publish","topic":"a","data":"\u-000"}"#,
            #"{"type":"publish","topic":"a","data":"\x"}"#, #"{"type":"publish","data":"\"#,
            #"{"type":"publish","topic":"a","data":"\u00"#,
            "{\"type\":\"publish\",\"topic\":\"a\",\"data\":\"\n\"}",
            "{\"type\":\"publish\",\"topic\":\"a\",\"data\":\"\\n\n\"}",
            #"{"ref":1.0,"type":"publish","topic":"a","data":"b"}"#,
            #"{"ref":01,"type":"publish","topic":"a","data":"b"}"#,
            #"{"ref":1e3,"type":"publish","topic":"a","data":"b"}"#,
            #"{"ref":9223372036854775808,"type":"publish","topic":"a","data":"b"}"#,
            #"{"type":"publish","topic":"a","data":"b","end":null}"#,
            #"{"type":"publish","topic":"a","data":"b","end":"true"}"#,
            #"{"type":"publish","topic":"a","data":"b","end":1}"#,
            #"{"type":"publish","topic":"a","data":"b","end":truex}"#,
            #"{"type":"publish","topic":"a","data":"b","end":tru"#,
            #"{"type":"publish","topic":"a","data":"b","end":true,"end":true}"#,
            #"{"type":"publish","topic":"a","data":"b","if_last_id":-1}"#,
            #"{"type":"publish","topic":"a","data":"b","if_last_id":"1"}"#,
            #"{"type":"publish","topic":"a","data":"b","if_last_id":1.5}"#,
            #"{"type":"publish","topic":"a","data":"b","if_last_id":1,"if_last_id":1}"#,
        ]
    )
    func left(json: String) {
        #expect(self.scanned(json) == nil)
    }

    @Test("What is scanned of damaged commands, the decoder takes too, to the byte")
    func agreement() throws {
        let seed = Seed()
        var random = seed.generator
        let good = [
            #"{"ref":"a\n","type":"publish","topic":"a","data":"\u00e9\ud83d\ude00é","key":"k"}"#,
            #"{"ref":12,"type":"publish","topic":"a/b","data":"{\"a\":1}","event":"e"}"#,
            #"{"ref":3,"type":"publish","topic":"a","data":"b","end":true,"if_last_id":1043}"#,
        ].map { Array($0.utf8) }
        var takenCount = 0
        for _ in 0..<20_000 {
            var bytes = random.pick(good)
            for _ in 0..<random.int(0...2) {
                let index = random.int(0...bytes.count - 1)
                switch random.int(0...2) {
                case 0: bytes[index] = .random(in: 0...255, using: &random)
                case 1: bytes.remove(at: index)
                default: bytes.insert(random.pick(bytes), at: index)
                }
            }
            let buffer = ByteBuffer(bytes: bytes)
            guard let fast = WebSocketCommand.Decoded(scanning: buffer) else { continue }
            takenCount += 1
            let slow = WebSocketCommand.Decoded(parsing: buffer)
            let isSame = try fast.result.get().isSame(as: slow.result.get())
            guard fast.ref != slow.ref || !isSame else { continue }
            Issue.record("\(String(decoding: bytes, as: UTF8.self)), \(seed)")
            return
        }
        #expect(takenCount > 5_000)
    }
}

extension WebSocketCommand {
    /// By bytes: texts with the same meaning in Unicode are equal in Swift.
    fileprivate func isSame(as other: Self) -> Bool {
        guard case .publish(let one) = self, case .publish(let two) = other else { return false }
        return one.texts.map { Array($0.utf8) } == two.texts.map { Array($0.utf8) }
            && self == other
    }
}

extension WebSocketCommand.Publish {
    fileprivate var texts: [String] {
        [self.topic, self.data, self.event ?? "", self.key ?? "", self.idempotencyKey ?? ""]
    }
}
