import Testing
import TickertapeTestSupport
import TickertapeWire

struct PercentCodingTests {
    @Test(
        "Escapes are decoded once; a plus is a space in queries only",
        arguments: [
            ("", "", ""), ("abc", "abc", "abc"), ("%61%2Fb", "a/b", "a/b"), ("a+b", "a+b", "a b"),
            ("a%2Bb", "a+b", "a+b"), ("%2541", "%41", "%41"), ("%C3%A9%c3%a9", "éé", "éé"),
            ("%E6%96%B0", "新", "新"), ("%00", "\u{0}", "\u{0}"), ("新", "新", "新"), ("%25", "%", "%"),
            ("e%CC%81", "e\u{301}", "e\u{301}"), ("%F0%9F%91%8D", "👍", "👍"),
            ("%EF%BF%BD", "\u{FFFD}", "\u{FFFD}"), ("é%20", "é ", "é "),
        ]
    )
    func decoding(text: String, inPath: String, inQuery: String) throws {
        #expect(try Array(percentDecoded(text, plusIsSpace: false).utf8) == Array(inPath.utf8))
        #expect(try Array(percentDecoded(text, plusIsSpace: true).utf8) == Array(inQuery.utf8))
        #expect(try percentDecoded(Substring(text), plusIsSpace: true) == inQuery)
    }

    @Test(
        "A percent sign needs two hexadecimal digits",
        arguments: ["%", "%a", "a%", "%zz", "%2", "%%", "%g0", "%0g", "%+1", "% 1", "%-1", "é%é"]
    )
    func badEscapes(text: String) {
        #expect(throws: PercentCodingError.badEscape) {
            try percentDecoded(text, plusIsSpace: true)
        }
    }

    @Test(
        "Bytes that are not UTF-8 are refused",
        arguments: [
            "%FF", "a%C3", "%C0%AF", "%ED%A0%80", "%F4%90%80%80", "%80", "%E6%96",
            "%F8%88%80%80%80",
            "%C3%28", "%FE%FF",
        ]
    )
    func notUTF8(text: String) {
        #expect(throws: PercentCodingError.notUTF8) {
            try percentDecoded(text, plusIsSpace: false)
        }
    }

    @Test(
        "Raw bytes that were repaired on the way are refused too",
        arguments: ["\u{FFFD}", "a\u{FFFD}b", "é\u{FFFD}", "\u{FFFD}%20"]
    )
    func repaired(text: String) {
        #expect(throws: PercentCodingError.notUTF8) {
            try percentDecoded(text, plusIsSpace: false)
        }
    }

    @Test("A repaired byte is found also where a combining mark follows it")
    func repairedBeforeCombiningMark() {
        #expect(throws: PercentCodingError.notUTF8) {
            try percentDecoded("a\u{FFFD}\u{301}", plusIsSpace: false)
        }
    }

    @Test(
        "A topic becomes a path of unreserved characters, slashes and escapes",
        arguments: [
            ("stocks/BRK.B", "stocks/BRK.B"), ("a-b_c~d", "a-b_c~d"), ("a b", "a%20b"),
            ("a+b?c#d%", "a%2Bb%3Fc%23d%25"), ("é", "%C3%A9"), ("新/👍", "%E6%96%B0/%F0%9F%91%8D"),
            ("\"", "%22"),
        ]
    )
    func encoding(topic: String, path: String) {
        #expect(percentEncodedPath(topic) == path)
    }

    @Test("Every text comes back from its encoding, byte by byte")
    func roundTrip() throws {
        let seed = Seed()
        var random = seed.generator
        for _ in 0..<5_000 {
            var scalars = String.UnicodeScalarView()
            for _ in 0..<random.int(0...12) {
                let limit: UInt32 = random.oneIn(2) ? 0x7F : 0x10_FFFF
                scalars.append(Unicode.Scalar(.random(in: 0...limit, using: &random)) ?? "%")
            }
            let text = String(scalars)
            let encoded = percentEncodedPath(text)
            #expect(encoded.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }, "\(seed)")
            let decoded = try percentDecoded(encoded, plusIsSpace: random.oneIn(2))
            guard Array(decoded.utf8) != Array(text.utf8) else { continue }
            Issue.record("\(text.debugDescription) by way of \(encoded), \(seed)")
            return
        }
    }

    @Test("Random bytes decode to what they stand for or are refused")
    func fuzz() {
        let seed = Seed()
        var random = seed.generator
        for _ in 0..<20_000 {
            let bytes = (0..<random.int(1...6)).map { _ in UInt8.random(in: 0...255, using: &random)
            }
            let encoded = bytes.map { byte in
                let digits = String(byte, radix: 16, uppercase: random.oneIn(2))
                return "%" + (byte < 16 ? "0" : "") + digits
            }
            let decoded = try? percentDecoded(encoded.joined(), plusIsSpace: random.oneIn(2))
            let expected = String(validating: bytes, as: UTF8.self)
            guard decoded.map({ Array($0.utf8) }) != expected.map({ Array($0.utf8) }) else {
                continue
            }
            Issue.record("\(encoded.joined()), \(seed)")
            return
        }
    }
}
