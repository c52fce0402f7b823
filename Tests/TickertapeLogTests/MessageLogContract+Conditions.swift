import Testing
import TickertapeCore
import TickertapeLog
import TickertapeTestSupport

/// What every log promises about conditions.
extension MessageLogContract {
    static func conditions(_ log: any MessageLog) async throws {
        // a: 1, 3; b: 2.
        for topic in ["a", "b", "a"] { _ = await log.append(try draft(topic)) }
        let table: [(topic: String, condition: PublishCondition, lastID: Int64?)] = [
            ("a", .lastIDIsOneOf([3]), nil), ("a", .lastIDIsOneOf([1]), 3),
            ("a", .lastIDIsOneOf([7, 3, 2]), nil), ("a", .lastIDIsOneOf([]), 3),
            ("a", .lastIDIsOneOf([0]), 3), ("new", .lastIDIsOneOf([0]), nil),
            ("new", .lastIDIsOneOf([3]), 0), ("a", .lastIDIsNoneOf([1, 2]), nil),
            ("a", .lastIDIsNoneOf([2, 3]), 3), ("new", .lastIDIsNoneOf([0]), 0),
            ("new", .lastIDIsNoneOf([1]), nil), ("a", .hasMessage, nil), ("new", .hasMessage, 0),
            ("new", .hasNoMessage, nil), ("a", .hasNoMessage, 3),
        ]
        for row in table {
            // Nothing of it stays, so that each row finds the same.
            let results = await log.append(
                [
                    try draft(row.topic, condition: row.condition),
                    try draft("a", condition: .lastIDIsOneOf([])),
                ],
                atomic: true
            )
            let what: Comment = "\(row.topic) \(row.condition)"
            if let lastID = row.lastID {
                #expect(results == [.conditionFailed(lastID: lastID), .skipped], what)
            } else {
                #expect(results.first == .skipped, what)
            }
        }
        #expect(log.head == 3)
        #expect(await log.append(try draft("new", condition: .hasMessage)).count == 1)
        #expect(log.head == 3, "a topic is not created either")
    }

    /// What the open transaction holds counts.
    static func conditionsOfOneTransaction(_ log: any MessageLog) async throws {
        let first = try draft("a", condition: .hasNoMessage)
        let results = await log.append(
            first,
            first,
            try draft("a", condition: .lastIDIsOneOf([1])),
            try draft("a", condition: .lastIDIsOneOf([1])),
            try draft("a", condition: .hasMessage)
        )
        #expect(
            results == [
                .stored(id: 1), .conditionFailed(lastID: 1), .stored(id: 2),
                .conditionFailed(lastID: 2), .stored(id: 3),
            ]
        )
        let next = await log.append(
            try draft("a", condition: .lastIDIsOneOf([2])),
            try draft("a", condition: .lastIDIsOneOf([3]))
        )
        #expect(next == [.conditionFailed(lastID: 3), .stored(id: 4)])
    }

    static func conditionsAndKeys(_ log: any MessageLog) async throws {
        let first = try draft("a", "x", once: "one", condition: .lastIDIsOneOf([0]))
        #expect(await log.append(first, first) == [.stored(id: 1), .alreadyStored(id: 1)])
        #expect(await log.append(first) == [.alreadyStored(id: 1)], "a repeat wins")
        let other = try draft("a", "y", once: "one", condition: .lastIDIsOneOf([1]))
        #expect(await log.append(other) == [.idempotencyKeyReused])
        let failed = try draft("a", "x", once: "two", condition: .lastIDIsOneOf([0]))
        #expect(await log.append(failed) == [.conditionFailed(lastID: 1)])
        let again = try draft("a", "y", once: "two")
        #expect(await log.append(again) == [.stored(id: 2)], "its key was not used")
    }

    static func conditionsOfEnds(_ log: any MessageLog) async throws {
        _ = await log.append(try draft("a"))
        let failing = try draft("a", end: .withMessage, condition: .lastIDIsOneOf([2]))
        #expect(await log.append(failing) == [.conditionFailed(lastID: 1)])
        #expect(try log.end(of: filter(["a"])) == nil)
        let topic = try TopicName("a")
        let quiet = { (condition: PublishCondition) in
            Draft(
                topic: topic,
                data: "",
                end: .withoutMessage(.stopped),
                condition: condition
            )
        }
        #expect(await log.append(quiet(.hasNoMessage)) == [.conditionFailed(lastID: 1)])
        let ended = try TickertapeLogTests.end("a", .stopped, at: 1)
        #expect(await log.append(quiet(.hasMessage)).withoutTimes == [.ended(ended)])
        #expect(await log.append(quiet(.hasNoMessage)).withoutTimes == [.ended(ended)])
    }
}
