import Testing
import TickertapeCore
import TickertapeTestSupport

@testable import TickertapeBroker

struct TopicIndexTests {
    private static let topics = ["a", "b", "a/b", "a/c", "b/c", "a/b/c", "é", "e\u{301}"]
    private static let patterns = ["*", "**", "a/*", "a/**", "*/c", "b/*"]

    @Test("An audience is shared by equal filters until it is removed")
    func sharing() throws {
        var index = TopicIndex(limits: Limits())
        #expect(index.isEmpty)
        let one = index.audience(for: try filter("a", "b/*"))
        #expect(index.audience(for: try filter("b/*", "a")) === one)
        #expect(index.audience(for: try filter("a")) !== one)
        index.remove(one)
        #expect(index.audience(for: try filter("a", "b/*")) !== one)
        #expect(!index.isEmpty)
    }

    @Test(
        "The audiences of a topic are those whose filter matches it, whatever came and went",
        arguments: [[], patterns],
        [3, 4_096]
    )
    func walk(wildcards: [String], topicsMax: Int) throws {
        let seed = Seed()
        var random = seed.generator
        let exact = Self.topics + (0..<30).map { "x/\($0)" }
        var limits = Limits()
        limits.indexedTopicsMax = topicsMax
        var index = TopicIndex(limits: limits)
        var audiences: [TopicFilter: Audience] = [:]
        for step in 0..<20_000 {
            let topic = try TopicName(random.pick(exact))
            switch random.int(0...9) {
            case 0...2:
                let texts = (0..<random.int(1...3)).map { _ in
                    !wildcards.isEmpty && random.oneIn(4)
                        ? random.pick(wildcards) : random.pick(exact)
                }
                let filter = TopicFilter(try texts.map { try TopicPattern($0) })
                let audience = index.audience(for: filter)
                #expect(audiences[filter] == nil || audiences[filter] === audience, "\(seed)")
                audiences[filter] = audience
            case 3...4 where !audiences.isEmpty && (audiences.count > 40 || random.oneIn(2)):
                let removed = random.pick(audiences.values)
                index.remove(removed)
                audiences[removed.filter] = nil
            default:
                let found = index.audiences(of: topic)
                let expected = audiences.values.filter { $0.filter.matches(topic) }
                let isRight =
                    found.count == expected.count
                    && Set(found.map(ObjectIdentifier.init))
                        == Set(expected.map(ObjectIdentifier.init))
                guard !isRight else { break }
                Issue.record("step \(step): \(found.count) for \(topic), \(seed)")
                return
            }
            #expect(index.isEmpty == audiences.isEmpty, "\(seed)")
            #expect(index.remembered.count <= topicsMax, "\(seed)")
        }
    }
}
