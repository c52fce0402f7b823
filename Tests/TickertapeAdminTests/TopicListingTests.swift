import Testing
import TickertapeCore
import TickertapeLog
import TickertapeTestSupport

@testable import TickertapeAdmin

struct TopicListingTests {
    private func listing(
        _ order: TopicOrder,
        _ direction: SortDirection,
        limit: Int,
        pattern: String? = nil,
        choice: TopicChoice = .all,
        cursor: ListCursor? = nil
    ) throws -> TopicListing {
        TopicListing(
            order: order,
            direction: direction,
            pattern: try pattern.map { try TopicPattern($0) },
            choice: choice,
            limit: limit,
            cursor: cursor
        )
    }

    /// The names of all pages, one after the other, of a listing by messages.
    private func walk(
        _ table: TopicTable,
        _ order: TopicOrder,
        _ direction: SortDirection,
        limit: Int
    ) throws -> [String] {
        var names: [String] = []
        var cursor: ListCursor?
        while true {
            let page = try self.listing(order, direction, limit: limit, cursor: cursor)
                .page(of: table) { Double(table.messageCounts[$0]) }
            names += page.rows.map { table.names[$0].text }
            guard page.hasMore, let last = page.rows.last, let value = page.values.last else {
                return names
            }
            let next = ListCursor(list: "l", value: value, name: table.names[last].text)
            cursor = try ListCursor(next.text, list: "l")
            #expect(cursor == next)
        }
    }

    @Test("Topics that have ended are listed by themselves, without them, or with the others")
    func ended() throws {
        var table = try table(in: [5, 6, 7, 8])
        for row in [1, 2] { table.setEnd(row, .stopped) }
        // What ended and was deleted then is in no list.
        table.setEnd(2, .deleted)
        for (choice, rows) in [(TopicChoice.all, [0, 1, 3]), (.ended, [1]), (.open, [0, 3])] {
            let page = try self.listing(.name, .ascending, limit: 10, choice: choice)
                .page(of: table) { _ in 0 }
            #expect(Set(page.rows) == Set(rows))
            #expect(page.total == rows.count)
        }
    }

    @Test("Page by page every topic comes once, in the order of one sort")
    func pages() throws {
        let seed = Seed()
        var random = seed.generator
        // Many with the same value: names part them.
        let table = try table(in: (0..<157).map { _ in Int64(random.int(0...9)) })
        let rows = table.names.indices.sorted { left, right in
            let (one, two) = (table.messageCounts[left], table.messageCounts[right])
            return one != two ? one > two : table.names[left].text < table.names[right].text
        }
        for limit in [1, 7, 156, 157, 1_000] {
            let byMessages = try self.walk(table, .messages, .descending, limit: limit)
            #expect(byMessages == rows.map { table.names[$0].text }, "\(seed), limit \(limit)")
            let byName = try self.walk(table, .name, .ascending, limit: limit)
            #expect(byName == table.names.map(\.text).sorted())
            let backwards = try self.walk(table, .name, .descending, limit: limit)
            #expect(backwards == byName.reversed())
        }
    }

    @Test("Topics that come and go between two pages move nobody else")
    func comingAndGoing() throws {
        var table = try table(in: [10, 20, 30, 40, 50])
        let first = try self.listing(.messages, .descending, limit: 2).page(of: table) {
            Double(table.messageCounts[$0])
        }
        #expect(first.rows == [4, 3])
        // The last of the page is deleted, and one that would have been before it is new.
        table.setEnd(3, .deleted)
        table.append(try TopicName("new"), number: 6, messages: 45)
        let cursor = ListCursor(list: "l", value: 40, name: "t/3")
        let second = try self.listing(.messages, .descending, limit: 2, cursor: cursor)
            .page(of: table) { Double(table.messageCounts[$0]) }
        #expect(second.rows == [2, 1])
        #expect(second.total == 5)
        #expect(second.hasMore)
    }

    @Test("Deleted topics and those that do not match are not counted")
    func matching() throws {
        var table = try table(in: [1, 2, 3])
        table.names[2] = try TopicName("other/2")
        table.setEnd(0, .deleted)
        let page = try self.listing(.name, .ascending, limit: 10, pattern: "t/*")
            .page(of: table) { _ in 0 }
        #expect(page.rows == [1])
        #expect(page.total == 1)
        #expect(!page.hasMore)
    }

    @Test(
        "A cursor of another listing, or none at all, is refused with a sentence",
        arguments: ["", "x", "!!!", "dG9waWNz", "====", "b3RoZXIgMCBh"]
    )
    func foreign(_ text: String) {
        let problem = #expect(throws: AdminProblem.self) { try ListCursor(text, list: "topics") }
        #expect(problem?.code == "invalid_parameter")
    }

    @Test(
        "A cursor whose value nothing can have is refused",
        arguments: [Double.infinity, -.infinity, .nan, .signalingNaN]
    )
    func notFinite(_ value: Double) {
        let text = ListCursor(list: "topics", value: value, name: "a").text
        let problem = #expect(throws: AdminProblem.self) { try ListCursor(text, list: "topics") }
        #expect(problem?.code == "invalid_parameter")
    }

    @Test("A name of any bytes survives in a cursor")
    func names() throws {
        for name in ["a b  c", "ä/€/𝄞", "~", String(repeating: "x", count: 255)] {
            for value in [0, -1.5, 1e300] {
                let cursor = ListCursor(list: "topics-rate-asc", value: value, name: name)
                #expect(try ListCursor(cursor.text, list: "topics-rate-asc") == cursor)
            }
        }
    }

    @Test("Who follows a topic is counted by name and by pattern, once each")
    func tally() throws {
        func filter(_ texts: String...) throws -> TopicFilter {
            TopicFilter(try texts.map { try TopicPattern($0) })
        }
        let tally = SubscriberTally([
            try filter("a/b"): 3,
            try filter("a/b", "a/c"): 2,
            try filter("a/*", "**"): 5,
            try filter("b/**"): 7,
            try filter("b/x/*", "b/x/y", "b/*/y"): 11,
            try filter("é/*"): 13,
        ])
        #expect(tally.count(of: try TopicName("a/b")) == 10)
        #expect(tally.count(of: try TopicName("a/c")) == 7)
        #expect(tally.count(of: try TopicName("b/x/y")) == 23)
        #expect(tally.count(of: try TopicName("b/x")) == 12)
        #expect(tally.count(of: try TopicName("é/1")) == 18)
        #expect(tally.count(of: try TopicName("e\u{301}/1")) == 5)
        #expect(tally.count(of: try TopicName("z")) == 5)
    }

    @Test(
        "Two patterns overlap when some topic matches both",
        arguments: [
            ("a/b", "a/b", true), ("a/b", "a/*", true), ("a/*", "*/b", true), ("a/**", "**", true),
            ("a/b", "a/c", false), ("a/*", "b/*", false), ("a", "a/**", false), ("a/*", "a", false),
            ("a/b/c", "a/**", true), ("a/*/c", "a/b/**", true), ("a/*/c", "b/**", false),
        ]
    )
    func overlap(_ left: String, _ right: String, _ isOverlapping: Bool) throws {
        let (one, two) = (try TopicPattern(left), try TopicPattern(right))
        #expect(one.overlaps(two) == isOverlapping)
        #expect(two.overlaps(one) == isOverlapping)
    }
}
