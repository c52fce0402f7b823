import Testing
import TickertapeCore
import TickertapeLog

struct GapTellerTests {
    /// A page read after `cursor`, and what is to be told before it.
    struct Step: Sendable {
        var cursor: Int64
        var ids: [Int64] = []
        var through: Int64
        var head: Int64 = 100
        var removed: Int64?
        var gap: Gap?
    }

    private static func gap(_ after: Int64, _ resumed: Int64, at cursor: Int64) -> Gap {
        Gap(after: after, resumed: resumed, reason: .retention, cursor: cursor)
    }

    static let walks: [[Step]] = [
        // Nothing is missing.
        [Step(cursor: 0, ids: [1, 2], through: 2), Step(cursor: 2, through: 100)],
        // The beginning is missing; what is there comes at once.
        [
            Step(cursor: 0, ids: [41, 50], through: 50, removed: 40, gap: gap(0, 41, at: 40)),
            Step(cursor: 50, ids: [60], through: 60),
        ],
        // The cursor lies in the middle of what is missing.
        [Step(cursor: 20, ids: [41], through: 41, removed: 40, gap: gap(20, 41, at: 40))],
        // Something is removed behind the first message of the page too.
        [
            Step(cursor: 0, ids: [10, 30], through: 30, removed: 40, gap: gap(0, 10, at: 9)),
            // The next page lies before the same removal: it was told.
            Step(cursor: 30, ids: [50], through: 50, removed: 40),
        ],
        // Everything is missing: the cursor goes to the head.
        [Step(cursor: 7, through: 100, removed: 90, gap: gap(7, 100, at: 100))],
        // Pages that find nothing leave the telling to the one that does, from where it began.
        [
            Step(cursor: 5, through: 30, removed: 40),
            Step(cursor: 30, through: 60, removed: 40),
            Step(cursor: 60, ids: [70], through: 70, gap: gap(5, 70, at: 69)),
            Step(cursor: 70, through: 100),
        ],
        [
            Step(cursor: 5, through: 30, removed: 40),
            Step(cursor: 30, through: 100, removed: 40, gap: gap(5, 100, at: 100)),
        ],
        // A later removal is told again, from the cursor it was met at.
        [
            Step(cursor: 0, ids: [11], through: 11, removed: 10, gap: gap(0, 11, at: 10)),
            Step(cursor: 11, ids: [31], through: 31, removed: 30, gap: gap(11, 31, at: 30)),
        ],
        // What was removed up to the cursor does not concern the reader.
        [Step(cursor: 40, ids: [41], through: 41, removed: 40)],
    ]

    @Test("A reader is told once of what is missing, before what still exists", arguments: walks)
    func pages(steps: [Step]) throws {
        var teller = GapTeller()
        for step in steps {
            let page = Page(
                messages: try step.ids.map { id in
                    Message(
                        id: id,
                        topic: try TopicName("a"),
                        timeMilliseconds: 0,
                        event: nil,
                        key: nil,
                        data: ""
                    )
                },
                through: step.through,
                head: step.head,
                removedThrough: step.removed
            )
            #expect(teller.gap(before: page, after: step.cursor) == step.gap, "\(step)")
        }
    }
}
