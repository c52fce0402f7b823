import Crypto
import Foundation
import Testing
import TickertapeTestSupport

struct MigrationTests {
    /// SHA-256 of each step of the schema, in order.
    ///
    /// A step that was released never changes: a new one is added, here and in `DatabaseFile`.
    private static let released = [
        "0001_messages.sql": "b7356ad0f3358964ca2624ccb912486400790b1343af1208747877b7a185cfa5",
        "0002_policies.sql": "5391fb82984b1b89ad9bd73fa297bfd0860d60b2ba3a1eb0f6fddabc595de630",
        "0003_tokens.sql": "6c0c5d5c861cd8514402e4d606c9312b3bdc75c9e087563d2d960f6fc10d80ad",
        "0004_topic_ends.sql": "5e06d70d4766e85d8b706991b23f8fe21326a631c0228fa3479f2175c3705608",
        "0005_topic_blocks.sql": "4d8a881284e57fc32d9874f3dc7f75bf90311f0a65e6a0ec89c7f304cc67edf9",
    ]

    @Test("The steps of the schema are those that were released, unchanged")
    func unchanged() throws {
        let paths = try Repository.files(below: "migrations")
        #expect(
            paths.map { String($0.dropFirst("migrations/".count)) } == Self.released.keys.sorted()
        )
        for path in paths {
            let hash = SHA256.hash(data: try Repository.data(path))
            let text = hash.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
            #expect(text == Self.released[String(path.dropFirst("migrations/".count))], "\(path)")
        }
    }

    @Test("The steps are numbered without a gap, and the broker knows each by its name")
    func numbers() throws {
        let source = try Repository.text("Sources/TickertapeLog/DatabaseFile.swift")
        for (index, name) in Self.released.keys.sorted().enumerated() {
            let digits = String(index + 1)
            let number = String(repeating: "0", count: 4 - digits.count) + digits
            #expect(name.hasPrefix(number + "_"))
            #expect(source.contains("\"\(name.dropLast(".sql".count))\""))
        }
    }
}
