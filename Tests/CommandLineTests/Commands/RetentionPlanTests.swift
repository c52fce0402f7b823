import Foundation
import Testing

@testable import tickertape

struct RetentionPlanTests {
    private func subscriber(_ id: Int64, _ topic: String, _ missed: Int64?) -> PlanAnswer.Subscriber
    {
        PlanAnswer.Subscriber(
            id: id,
            transport: "websocket",
            address: "127.0.0.1:5",
            topics: ["**"],
            cursor: 1,
            topic: topic,
            messagesMissed: missed
        )
    }

    @Test("A subscriber that misses messages of many topics is one subscriber")
    func affected() {
        let plan = PlanAnswer(
            messages: 1_629,
            bytes: 20,
            topics: [],
            topicsTotal: 28,
            topicsDeleted: 0,
            subscribers: (1...28).map { self.subscriber(7, "a/\($0)", 2) }
                + [self.subscriber(9, "a/1", 5), self.subscriber(9, "a/2", nil)]
        )
        #expect(plan.affected.map(\.first.id) == [7, 9])
        #expect(plan.affected.map(\.topicsCount) == [28, 2])
        #expect(plan.affected.map(\.messagesMissed) == [56, nil])
        #expect(plan.sentence.contains("; 2 connected subscribers would see a gap."))
        #expect(plan.amount == "1,629 messages from 28 topics")
        #expect(
            plan.lines(width: nil, .plain).suffix(3) == [
                "SUBSCRIBER  FOLLOWS  TOPICS  CURSOR         MISSES  TRANSPORT  ADDRESS",
                "         7  **           28       1    56 messages  websocket  127.0.0.1:5",
                "         9  **            2       1  some messages  websocket  127.0.0.1:5",
            ]
        )
    }

    @Test("Topics that go as a whole are said to, also where no message does")
    func deleted() throws {
        func plan(_ topics: [(String, Int64, Bool)]) throws -> PlanAnswer {
            let rows = topics.map { topic, messages, isDeleted in
                """
                {"topic":"\(topic)","messages":\(messages),"bytes":5,"removed_through":9,\
                "deletes_topic":\(isDeleted)}
                """
            }
            let text = """
                {"messages":\(topics.reduce(0) { $0 + $1.1 }),"bytes":5,\
                "topics":[\(rows.joined(separator: ","))],"topics_total":\(topics.count),\
                "topics_deleted":\(topics.count { $0.2 }),"subscribers":[]}
                """
            return try DoorJSON.decoder.decode(PlanAnswer.self, from: Data(text.utf8))
        }
        let both = try plan([("a", 3, false), ("b", 2, true)])
        #expect(both.amount == "5 messages from 2 topics, 1 of them deleted")
        #expect(
            both.lines(width: nil, .plain) == [
                """
                This removes 5 messages (5 B of payload) from 2 topics and deletes 1 topic that \
                ended long ago; no connected subscriber sees a gap.
                """,
                "", "TOPIC  MESSAGES  BYTES  UP TO ID  TOPIC ITSELF",
                "a             3    5 B         9  stays",
                "b             2    5 B         9  deleted",
            ]
        )
        let empty = try plan([("b", 0, true)])
        #expect(empty.sentence.hasPrefix("This removes 0 messages (5 B of payload) from 1 topic"))
        #expect(try plan([]).sentence == "This removes nothing.")
    }
}
