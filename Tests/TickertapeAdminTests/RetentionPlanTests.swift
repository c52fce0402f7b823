import Testing
import TickertapeCore
import TickertapeLog

@testable import TickertapeAdmin

/// Which topics a policy deletes since they ended long ago.
struct RetentionPlanTests {
    private func table() throws -> TopicTable {
        var table = TopicTable()
        for (number, name) in ["answers/1", "answers/2", "answers/3", "chat/1", "gone"].enumerated()
        {
            table.append(
                try TopicName(name),
                number: Int64(number) + 10,
                lastID: Int64(number) + 100,
                messages: Int64(number),
                bytes: Int64(number) * 10
            )
        }
        return table
    }

    @Test("Topics go once their time after the end has passed, empty ones too")
    func due() throws {
        var table = try self.table()
        let answers = Policy(
            pattern: try TopicPattern("answers/*"),
            removesEndedAfterSeconds: 60
        )
        let kept = Policy(
            pattern: try TopicPattern("answers/3"),
            removesEndedAfterSeconds: nil
        )
        let all = Policy(pattern: try TopicPattern("**"), removesEndedAfterSeconds: 1)
        let policies = PolicySet([answers, kept, all])
        func due(at seconds: Int64) -> [TopicRemoval] {
            RetentionPlan.dueTopics(table, policies, seconds * 1_000)
        }
        #expect(due(at: 1_000_000) == [])
        for row in [0, 2] {
            table.setEnd(row, .ended, lastID: table.lastIDs[row], timeMilliseconds: 1_000)
        }
        table.setEnd(4, .deleted, lastID: 0, timeMilliseconds: 1_000)
        #expect(due(at: 60) == [])
        let first = TopicRemoval(
            topic: try TopicName("answers/1"),
            messages: 0,
            bytes: 0,
            removedThrough: 0
        )
        #expect(due(at: 61) == [first])
        table.setEnd(3, .stopped, lastID: 103, timeMilliseconds: 60_000)
        let other = TopicRemoval(
            topic: try TopicName("chat/1"),
            messages: 3,
            bytes: 30,
            removedThrough: 103
        )
        #expect(due(at: 61) == [first, other])
    }
}
