import Testing
import TickertapeCore
import TickertapeLog
import TickertapeTestSupport

/// What every log promises about reading.
extension MessageLogContract {
    static func emptyLog(_ log: any MessageLog) async throws {
        #expect(log.head == 0)
        #expect(log.isWritable)
        let page = try await log.page(of: "**")
        #expect(page.messages.isEmpty)
        #expect((page.through, page.head) == (0, 0))
        #expect(page.removedThrough == nil)
        let ahead = try await log.page(of: "a", after: 7)
        #expect(ahead.messages.isEmpty)
        #expect(ahead.through == 7, "a page never goes back")
        let tail = try await log.tail(of: "**", count: 3)
        #expect((tail.after, tail.end) == (0, 0))
        #expect(try await log.message(1) == nil)
    }

    static func filters(_ log: any MessageLog) async throws {
        // Ids 1 to 8.
        for topic in ["a/b", "a/c", "b", "a/b/c", "é", "e\u{301}", "a/b", "b"] {
            _ = await log.append(try draft(topic, topic))
        }
        let table: [(patterns: [String], ids: [Int64])] = [
            (["a/b"], [1, 7]), (["a/*"], [1, 2, 7]), (["a/**"], [1, 2, 4, 7]),
            (["*"], [3, 5, 6, 8]),
            (["**"], [1, 2, 3, 4, 5, 6, 7, 8]), (["é"], [5]), (["e\u{301}"], [6]),
            (["b", "a/c"], [2, 3, 8]), (["b", "*/*", "b"], [1, 2, 3, 7, 8]), (["nothing"], []),
            (["nothing", "b"], [3, 8]), (["nothing/*"], []), (["*/b/*"], [4]),
        ]
        for row in table {
            let filter = try filter(row.patterns)
            for after in Int64(0)...9 {
                let page = try await log.page(
                    PageRequest(filter: filter, after: after, messagesMax: 100, bytesMax: 1_000_000)
                )
                #expect(page.messages.map(\.id) == row.ids.filter { $0 > after }, "\(row.patterns)")
                #expect(page.through == max(8, after))
                #expect(page.head == 8)
                #expect(page.removedThrough == nil)
            }
        }
    }

    static func pageBounds(_ log: any MessageLog) async throws {
        for number in 0..<10 {
            _ = await log.append(try draft(number % 2 == 0 ? "a" : "b", "0123456789"))
        }
        let one = try #require(try await log.message(1)).bytes
        let three = try await log.page(of: "**", messagesMax: 3)
        #expect(three.messages.map(\.id) == [1, 2, 3])
        #expect(three.through >= 3 && three.through < 4)
        let odd = try await log.page(of: "a", after: 3, messagesMax: 2)
        #expect(odd.messages.map(\.id) == [5, 7])
        #expect(odd.through >= 7 && odd.through < 9, "what is selected next is not passed over")
        let two = try await log.page(of: "**", after: 4, bytesMax: one * 2 + 1)
        #expect(two.messages.map(\.id) == [5, 6])
        let atLeastOne = try await log.page(of: "**", bytesMax: 1)
        #expect(atLeastOne.messages.map(\.id) == [1])
        #expect(atLeastOne.through == 1)
        let exact = try await log.page(of: "a", messagesMax: 5)
        #expect(exact.messages.count == 5)
        #expect(try await log.page(of: "a", after: exact.through).messages.isEmpty)
    }

    static func tails(_ log: any MessageLog) async throws {
        // a: 1, 3, 5, 7; b: 2, 4, 6; c: 8.
        for topic in ["a", "b", "a", "b", "a", "b", "a", "c"] {
            _ = await log.append(try draft(topic))
        }
        let table: [(count: Int, ids: [Int64])] = [
            (0, []), (1, [6, 7, 8]), (2, [4, 5, 6, 7, 8]), (3, [2, 3, 4, 5, 6, 7, 8]),
            (100, [1, 2, 3, 4, 5, 6, 7, 8]),
        ]
        for row in table {
            let tail = try await log.tail(of: "*", count: row.count)
            #expect(tail.end == 8)
            let page = try await log.page(of: "*", after: tail.after, tail: tail)
            #expect(page.messages.map(\.id) == row.ids, "tail \(row.count)")
            #expect(page.through == 8)
        }
        let one = try await log.tail(of: "a", count: 2)
        #expect(one.after >= 3 && one.after < 5)
        let unknown = try await log.tail(of: "nothing", count: 2)
        #expect((unknown.after, unknown.end) == (8, 8))
        let old = try await log.tail(of: "*", count: 1)
        for topic in ["a", "d", "a"] { _ = await log.append(try draft(topic)) }
        let page = try await log.page(of: "*", after: old.after, tail: old)
        #expect(page.messages.map(\.id) == [6, 7, 8, 9, 10, 11], "what came since counts in full")
    }

    static func singleMessages(_ log: any MessageLog) async throws {
        let stored = try draft("a/b", "data\u{0}", event: "ev", key: "k")
        _ = await log.append(stored)
        expect(try await log.message(1), is: stored)
        for id in [-1, 0, 2, .max, .min] as [Int64] { #expect(try await log.message(id) == nil) }
    }

    static func texts(_ log: any MessageLog) async throws {
        let texts = [
            "", " ", "\u{0}", "a\u{0}b\u{0}", "\r\n", "e\u{301}", "\u{E9}", "\u{FFFD}",
            "'; DROP TABLE x",
            "\u{FEFF}", "\u{10FFFF}", "1", "1.0", "NULL", String(repeating: "é", count: 100_000),
        ]
        let drafts = try texts.map { try draft("a", $0, key: String($0.prefix(9))) }
        _ = await log.append(drafts)
        let page = try await log.page(of: "a")
        #expect(page.messages.count == drafts.count)
        for (message, draft) in zip(page.messages, drafts) { expect(message, is: draft) }
    }
}
