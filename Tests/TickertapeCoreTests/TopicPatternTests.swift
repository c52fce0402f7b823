import Testing
import TickertapeCore
import TickertapeTestSupport

struct TopicPatternTests {
    struct Row: Sendable, CustomTestStringConvertible {
        let pattern: String
        let selected: [String]
        let passedOver: [String]
        var testDescription: String { self.pattern }
    }

    static let rows = [
        Row(
            pattern: "a/b",
            selected: ["a/b"],
            passedOver: ["a", "b", "a/c", "a/b/c", "A/b", "a/bb", "aa/b"]
        ),
        Row(
            pattern: "*",
            selected: ["a", "é", "...", "a b"],
            passedOver: ["a/b", "a/b/c"]
        ),
        Row(
            pattern: "**",
            selected: ["a", "a/b", "a/b/c", "é/b/c/d"],
            passedOver: []
        ),
        Row(
            pattern: "a/*",
            selected: ["a/b", "a/bc", "a/é"],
            passedOver: ["a", "ab", "b/a", "a/b/c", "ab/c", "A/b"]
        ),
        Row(
            pattern: "a/**",
            selected: ["a/b", "a/b/c", "a/b/c/d"],
            passedOver: ["a", "ab", "ab/c", "b/a/c"]
        ),
        Row(
            pattern: "a/*/c",
            selected: ["a/b/c", "a/c/c"],
            passedOver: ["a/c", "a/b", "a/b/d", "a/b/c/d", "a/b/b/c", "a/b/cc"]
        ),
        Row(
            pattern: "*/b",
            selected: ["a/b", "b/b"],
            passedOver: ["b", "a/b/c", "a/c", "a/a/b", "a/bb"]
        ),
        Row(
            pattern: "*/*",
            selected: ["a/b", "é/e"],
            passedOver: ["a", "a/b/c"]
        ),
        Row(
            pattern: "*/**",
            selected: ["a/b", "a/b/c"],
            passedOver: ["a"]
        ),
        Row(
            pattern: "a/*/**",
            selected: ["a/b/c", "a/b/c/d"],
            passedOver: ["a", "a/b", "b/b/c"]
        ),
    ]

    @Test("A wildcard stands for exactly one level, a deep one for one or more", arguments: rows)
    func matching(row: Row) throws {
        let pattern = try TopicPattern(row.pattern)
        for topic in row.selected {
            #expect(pattern.matches(try TopicName(topic)), "\(topic)")
        }
        for topic in row.passedOver {
            #expect(!pattern.matches(try TopicName(topic)), "\(topic)")
        }
    }

    @Test("A pattern without wildcards is the name of one topic")
    func exactPatterns() throws {
        #expect(try TopicPattern("a/b").topic == TopicName("a/b"))
        #expect(try TopicPattern("a/*").topic == nil)
        #expect(try TopicPattern("**").topic == nil)
    }

    @Test("Matching agrees with a plain reading of the rules, level by level")
    func walk() throws {
        let seed = Seed()
        var random = seed.generator
        let names = ["a", "b", "ab", "é", "e\u{301}", "..."]
        for _ in 0..<100_000 {
            let topic = (0..<random.int(1...4)).map { _ in random.pick(names) }
            var levels = (0..<random.int(1...4)).map { _ in random.pick(names + ["*", "*", "*"]) }
            if random.oneIn(3) { levels.append("**") }
            let text = levels.joined(separator: "/")
            let name = try TopicName(topic.joined(separator: "/"))
            let matches = try TopicPattern(text).matches(name)
            guard matches != plainlyMatches(levels[...], topic[...]) else { continue }
            Issue.record("\(text) matches \(name): \(matches), \(seed)")
            return
        }
    }

    private func plainlyMatches(_ pattern: ArraySlice<String>, _ topic: ArraySlice<String>) -> Bool
    {
        guard let level = pattern.first else { return topic.isEmpty }
        if level == "**" { return !topic.isEmpty }
        guard let name = topic.first else { return false }
        guard level == "*" || Array(level.utf8) == Array(name.utf8) else { return false }
        return self.plainlyMatches(pattern.dropFirst(), topic.dropFirst())
    }
}

struct TopicFilterTests {
    private func filter(_ patterns: String...) throws -> TopicFilter {
        TopicFilter(try patterns.map { try TopicPattern($0) })
    }

    @Test("Two filters with the same patterns are equal, in any order and with repetitions")
    func equality() throws {
        let one = try self.filter("a", "b/*", "**")
        let other = try self.filter("**", "a", "b/*", "a", "**")
        #expect(one == other)
        #expect(one.hashValue == other.hashValue)
        #expect(other.patterns.map(\.text) == ["**", "a", "b/*"])
        #expect(try self.filter("a", "a") == self.filter("a"))
        #expect(try TopicFilter(topic: TopicName("a/b")) == self.filter("a/b"))
    }

    @Test("Filters with other patterns are different, also when they select the same topics")
    func difference() throws {
        #expect(try self.filter("a") != self.filter("b"))
        #expect(try self.filter("a") != self.filter("a", "b"))
        #expect(try self.filter("**") != self.filter("**", "a"))
        #expect(try self.filter("caf\u{E9}") != self.filter("cafe\u{301}"))
        #expect(try self.filter("caf\u{E9}", "cafe\u{301}").patterns.count == 2)
    }

    @Test("A filter names its topics when none of its patterns has a wildcard")
    func exactTopics() throws {
        let topics = try self.filter("b", "a/c").exactTopics
        #expect(topics?.map(\.text) == ["a/c", "b"])
        #expect(try self.filter("b", "a/*").exactTopics == nil)
    }

    @Test("A filter selects what one of its patterns selects")
    func matching() throws {
        let filter = try self.filter("a", "b/*", "c/**")
        for topic in ["a", "b/x", "c/x/y"] { #expect(filter.matches(try TopicName(topic))) }
        for topic in ["b", "c", "b/x/y", "d", "a/x"] {
            #expect(!filter.matches(try TopicName(topic)))
        }
    }
}
