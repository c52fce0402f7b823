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
            table.names.append(try TopicName(name))
            table.numbers.append(Int64(number) + 10)
            table.lastIDs.append(Int64(number) + 100)
            table.messageCounts.append(Int64(number))
            table.byteCounts.append(Int64(number) * 10)
            table.messagesIn.append(0)
            table.bytesIn.append(0)
            table.isDeleted.append(name == "gone")
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
        for row in [0, 2, 4] {
            table.ends[table.numbers[row]] = TopicEnd(
                topic: table.names[row],
                reason: .ended,
                lastID: table.lastIDs[row],
                timeMilliseconds: 1_000
            )
        }
        #expect(due(at: 60) == [])
        let first = TopicRemoval(
            topic: try TopicName("answers/1"),
            messages: 0,
            bytes: 0,
            removedThrough: 0
        )
        #expect(due(at: 61) == [first])
        table.ends[table.numbers[3]] = TopicEnd(
            topic: table.names[3],
            reason: .stopped,
            lastID: 103,
            timeMilliseconds: 60_000
        )
        let other = TopicRemoval(
            topic: try TopicName("chat/1"),
            messages: 3,
            bytes: 30,
            removedThrough: 103
        )
        #expect(due(at: 61) == [first, other])
    }
}
