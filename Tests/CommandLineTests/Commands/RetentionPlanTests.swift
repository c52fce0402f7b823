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
}
