import Testing
import TickertapeCore
import TickertapeLog
import TickertapeTestSupport

/// Random appends, reads, removals and restarts, compared with a log in memory.
@Suite(.serialized)
struct LogWalkTests {
    struct Bounds: Sendable {
        let mergedTopicsMax: Int
        let pageRowsExaminedMax: Int
        let tailTopicsMax: Int
    }

    @Test(
        "Whatever is appended, removed and asked, pages are those of a plain list",
        arguments: [
            Bounds(mergedTopicsMax: 0, pageRowsExaminedMax: 5, tailTopicsMax: 1),
            Bounds(mergedTopicsMax: 2, pageRowsExaminedMax: 50, tailTopicsMax: 3),
            Bounds(mergedTopicsMax: 32, pageRowsExaminedMax: 20_000, tailTopicsMax: 1_000),
        ]
    )
    func walk(bounds: Bounds) async throws {
        let seed = Seed()
        var limits = Limits()
        limits.mergedTopicsMax = bounds.mergedTopicsMax
        limits.pageRowsExaminedMax = bounds.pageRowsExaminedMax
        limits.batchMessagesMax = 4
        limits.uncountedTopicMessagesMax = 7
        limits.retentionMessagesMin = 3
        limits.tailTopicsMax = bounds.tailTopicsMax
        var walk = try LogWalk(limits, seed)
        for _ in 0..<1_500 {
            try await walk.step()
            guard walk.isGood else { break }
        }
        walk.close()
    }
}
