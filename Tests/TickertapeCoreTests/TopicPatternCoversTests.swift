import Testing
import TickertapeCore
import TickertapeTestSupport

struct TopicPatternCoversTests {
    static let rows: [(pattern: String, covered: [String], notCovered: [String])] = [
        ("**", ["**", "*", "a", "a/b", "*/*", "a/**", "*/**", "a/*/c/**"], []),
        ("*", ["*", "a", "é"], ["**", "a/b", "*/*", "a/**", "*/**"]),
        ("a", ["a"], ["b", "*", "**", "a/b", "a/*", "a/**", "A"]),
        (
            "a/**", ["a/**", "a/*", "a/b", "a/b/c", "a/*/c", "a/b/**", "a/*/**"],
            ["a", "**", "*/**", "*", "b/**", "*/b"]
        ),
        ("a/*", ["a/*", "a/b", "a/é"], ["a", "a/**", "a/b/c", "a/*/*", "*/b", "*/*", "a/b/**"]),
        ("*/b", ["*/b", "a/b", "b/b"], ["*/*", "a/*", "b", "*/b/c", "**", "*/**"]),
        ("*/*", ["*/*", "a/*", "*/b", "a/b"], ["*", "a", "*/**", "a/**", "*/*/*", "a/b/c"]),
        ("*/**", ["*/**", "a/**", "*/*", "a/b", "a/b/c", "*/*/*", "*/b/**"], ["*", "a", "**"]),
        ("a/*/**", ["a/*/**", "a/b/**", "a/b/c", "a/*/*"], ["a/**", "a/*", "a/b", "*/b/c"]),
        ("a/*/c", ["a/*/c", "a/b/c"], ["a/**", "a/*/*", "a/b", "a/b/*", "a/*/c/d", "a/*/c/**"]),
        // The same letters to people, and other bytes.
        ("caf\u{E9}", ["caf\u{E9}"], ["cafe\u{301}"]),
    ]

    @Test("A pattern covers another if it stands for all its topics", arguments: rows)
    func table(_ row: (pattern: String, covered: [String], notCovered: [String])) throws {
        let pattern = try TopicPattern(row.pattern)
        for text in row.covered { #expect(pattern.covers(try TopicPattern(text)), "\(text)") }
        for text in row.notCovered { #expect(!pattern.covers(try TopicPattern(text)), "\(text)") }
    }

    @Test("It agrees with what the two match among all topics of a small world")
    func walk() throws {
        // A name that stands in no pattern, and one level more than patterns have: else `*` would
        // be no more than all names together, and `**` no more than its first levels.
        let names = ["a", "b", "x"]
        var topics = names
        var deepest = names
        for _ in 0..<3 {
            deepest = deepest.flatMap { topic in names.map { "\(topic)/\($0)" } }
            topics += deepest
        }
        let universe = try topics.map { try TopicName($0) }
        let seed = Seed()
        var generator = seed.generator
        var covering = 0
        for _ in 0..<3_000 {
            let (left, right) = (try Self.pattern(&generator), try Self.pattern(&generator))
            let isCovered = universe.allSatisfy { !right.matches($0) || left.matches($0) }
            #expect(left.covers(right) == isCovered, "\(seed): \(left) and \(right)")
            covering += isCovered ? 1 : 0
        }
        #expect(covering > 100 && covering < 2_900)
    }

    private static func pattern(_ generator: inout SeededGenerator) throws -> TopicPattern {
        var levels = (0..<generator.int(1...3)).map { _ in generator.pick(["a", "b", "*"]) }
        if generator.oneIn(3) { levels[levels.count - 1] = "**" }
        return try TopicPattern(levels.joined(separator: "/"))
    }

    @Test("One pattern of a grant has to cover the whole, for two together are not looked at")
    func oneMustCover() throws {
        let all = try ["a", "b"].map { try TopicPattern("\($0)/**") }
        let grant = Grant(publish: [], subscribe: all)
        #expect(grant.allowsSubscribe(to: try TopicPattern("a/*")))
        #expect(grant.allowsSubscribe(to: try TopicPattern("b/c")))
        #expect(!grant.allowsSubscribe(to: try TopicPattern("*/**")))
        #expect(!grant.allowsSubscribe(to: try TopicPattern("**")))
        #expect(!grant.allowsPublish(to: try TopicName("a/b")))
        #expect(!Grant.none.allowsSubscribe(to: try TopicPattern("a")))
        #expect(Grant.everything.allowsSubscribe(to: try TopicPattern("**")))
    }
}
