import Testing
import TickertapeCore
import TickertapeTestSupport

struct TopicNameTests {
    @Test(
        "A good name is kept byte by byte",
        arguments: [
            "a", "stocks/AAPL", "stocks/BRK.B", "600519.SH", "...", ".a", "a.", "a/...",
            "chat/room-1",
            " ", "a b/ c ", "新聞/経済", "caf\u{E9}", "cafe\u{301}", "a\u{2028}b", "\u{A0}",
            "\u{FEFF}a",
            "👩‍👩‍👧/👍🏽", "a%2Fb", "a?b#c", "\\", "messages", "a/messages/events", "ア\u{3099}",
            String(repeating: "x", count: 255),
            Array(repeating: "é", count: 127).joined() + "x",
            Array(repeating: "a", count: 16).joined(separator: "/"),
        ]
    )
    func goodNames(text: String) throws {
        let name = try TopicName(text)
        #expect(Array(name.text.utf8) == Array(text.utf8))
        #expect(name.description == text)
        #expect(TopicRule.firstBroken(by: text, in: .pattern) == nil, "a name is a pattern")
    }

    @Test(
        "A name that breaks a rule is refused with that rule",
        arguments: [
            ("", .empty),
            (String(repeating: "x", count: 256), .tooLong(bytes: 256)),
            (Array(repeating: "é", count: 128).joined(), .tooLong(bytes: 256)),
            (Array(repeating: "a", count: 17).joined(separator: "/"), .tooManyLevels(17)),
            ("/", .emptyLevel), ("/a", .emptyLevel), ("a/", .emptyLevel), ("a//b", .emptyLevel),
            (".", .dotLevel(".")), ("..", .dotLevel("..")), ("a/./b", .dotLevel(".")),
            ("a/..", .dotLevel("..")), ("../a", .dotLevel("..")),
            ("\u{0}", .controlCharacter(0)), ("a\u{1F}", .controlCharacter(0x1F)),
            ("a\tb", .controlCharacter(9)), ("a\nb", .controlCharacter(10)),
            ("a\r\nb", .controlCharacter(13)), ("\u{7F}", .controlCharacter(0x7F)),
            ("a\u{80}", .controlCharacter(0x80)), ("a\u{85}b", .controlCharacter(0x85)),
            ("\u{9F}", .controlCharacter(0x9F)),
            ("*", .wildcardInTopic), ("**", .wildcardInTopic), ("a*", .wildcardInTopic),
            ("a/*/b", .wildcardInTopic), ("a/b**c", .wildcardInTopic),
        ] as [(String, TopicRule)]
    )
    func brokenNames(text: String, rule: TopicRule) {
        #expect(throws: rule) { try TopicName(text) }
    }

    @Test(
        "A pattern that breaks a rule is refused with that rule",
        arguments: [
            ("", .empty), ("a//*", .emptyLevel), ("*/", .emptyLevel), ("**/", .deepWildcardNotLast),
            ("/**", .emptyLevel), ("../*", .dotLevel("..")), ("*/.", .dotLevel(".")),
            ("a*", .wildcardInsideLevel("a*")), ("*a", .wildcardInsideLevel("*a")),
            ("a/b*c/d", .wildcardInsideLevel("b*c")), ("***", .wildcardInsideLevel("***")),
            ("a/**b", .wildcardInsideLevel("**b")), ("*\u{301}", .wildcardInsideLevel("*\u{301}")),
            ("**/a", .deepWildcardNotLast), ("a/**/b", .deepWildcardNotLast),
            ("**/**", .deepWildcardNotLast), ("*\n", .controlCharacter(10)),
            (Array(repeating: "*", count: 17).joined(separator: "/"), .tooManyLevels(17)),
            (String(repeating: "é", count: 126) + "/*/*", .tooLong(bytes: 256)),
        ] as [(String, TopicRule)]
    )
    func brokenPatterns(text: String, rule: TopicRule) {
        #expect(throws: rule) { try TopicPattern(text) }
    }

    @Test("Every rule has a sentence of its own")
    func sentences() {
        let rules: [TopicRule] = [
            .empty, .tooLong(bytes: 300), .tooManyLevels(17), .emptyLevel, .dotLevel(".."),
            .controlCharacter(10), .wildcardInTopic, .wildcardInsideLevel("a*"),
            .deepWildcardNotLast,
        ]
        #expect(Set(rules.map(\.sentence)).count == rules.count)
        #expect(TopicRule.controlCharacter(10).sentence.contains("U+000A"))
        #expect(TopicRule.tooLong(bytes: 300).sentence.contains("300"))
    }

    @Test("Names with the same look but other bytes are different topics")
    func bytewiseEquality() throws {
        let composed = try TopicName("caf\u{E9}")
        let decomposed = try TopicName("cafe\u{301}")
        #expect(composed.text == decomposed.text, "String takes them for the same")
        #expect(composed != decomposed)
        #expect(Set([composed, decomposed]).count == 2)
        #expect([composed: 1][decomposed] == nil)
        #expect(try TopicPattern("caf\u{E9}") != TopicPattern("cafe\u{301}"))
        #expect(try !TopicPattern("caf\u{E9}").matches(decomposed))
        #expect(try !TopicPattern("*/caf\u{E9}").matches(TopicName("x/cafe\u{301}")))
        #expect(try TopicName("k") != TopicName("\u{212A}"))
        #expect(try TopicName("a") != TopicName("A"))
    }

    @Test("Equal names hash alike, however their text is stored")
    func hashes() throws {
        let parts = ["stocks", "é", "AAPL"]
        let slice = "xx" + parts.joined(separator: "/")
        let one = try TopicName(parts.joined(separator: "/"))
        let other = try TopicName(String(slice.dropFirst(2)))
        #expect(one == other)
        #expect(one.hashValue == other.hashValue)
        #expect(TopicName(stored: "stocks/é/AAPL") == one)
    }

    @Test("Random texts are taken exactly when no rule forbids them")
    func walk() {
        let seed = Seed()
        var random = seed.generator
        let pieces = [
            "a", "b", "/", "/", "*", "**", ".", "..", "é", "e\u{301}", "\u{301}", "\n", "\u{7F}",
            "\u{80}", "\u{9F}", "\u{A0}", "x/y", "//", String(repeating: "z", count: 60),
        ]
        for _ in 0..<50_000 {
            let text = (0..<random.int(0...9)).map { _ in random.pick(pieces) }.joined()
            for use in [TopicRule.Use.topic, .pattern] {
                let isTaken = TopicRule.firstBroken(by: text, in: use) == nil
                guard isTaken != isAllowed(text, in: use) else { continue }
                Issue.record("'\(text)' in \(use), taken: \(isTaken), \(seed)")
                return
            }
        }
    }
}

/// The rules of §2.2 and §2.4 of the protocol, told once more.
private func isAllowed(_ text: String, in use: TopicRule.Use) -> Bool {
    let bytes = Array(text.utf8)
    let levels = bytes.split(separator: 0x2F, omittingEmptySubsequences: false).map(Array.init)
    guard (1...255).contains(bytes.count), levels.count <= 16 else { return false }
    let scalars = text.unicodeScalars.map(\.value)
    guard !scalars.contains(where: { $0 < 0x20 || ($0 >= 0x7F && $0 <= 0x9F) }) else {
        return false
    }
    let forbidden: [[UInt8]] = [[], [0x2E], [0x2E, 0x2E]]
    guard !levels.contains(where: forbidden.contains) else { return false }
    switch use {
    case .topic: return !bytes.contains(0x2A)
    case .pattern:
        guard !levels.dropLast().contains([0x2A, 0x2A]) else { return false }
        return !levels.contains { $0.contains(0x2A) && $0 != [0x2A] && $0 != [0x2A, 0x2A] }
    }
}
