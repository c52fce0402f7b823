import Testing
import TickertapeCore
import TickertapeLog
import TickertapeTestSupport

struct RetentionMachineTests {
    private static func bounds(
        age: Int64? = nil,
        messages: Int64? = nil,
        bytes: Int64? = nil
    ) -> RetentionMachine.Bounds {
        var policy = PolicySet.fallback
        policy.maxAgeSeconds = age
        policy.maxMessages = messages
        policy.maxBytes = bytes
        return RetentionMachine.Bounds(policy)
    }

    private static func machine(
        _ bounds: RetentionMachine.Bounds,
        messages: Int64 = 0,
        bytes: Int64 = 0,
        hasLeftovers: Bool = false
    ) -> RetentionMachine {
        var machine = RetentionMachine()
        machine.add(
            messages: messages,
            bytes: bytes,
            bounds: bounds,
            hasLeftovers: hasLeftovers,
            atMilliseconds: 0
        )
        return machine
    }

    private static func expectNext(
        _ machine: inout RetentionMachine,
        at now: Int64,
        _ expected: RetentionMachine.Removal?,
        _ comment: Comment? = nil,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let next = machine.next(atMilliseconds: now)
        #expect(next == expected, comment, sourceLocation: sourceLocation)
    }

    private static func expectSome(
        _ machine: inout RetentionMachine,
        at now: Int64,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let next = machine.next(atMilliseconds: now)
        #expect(next != nil, sourceLocation: sourceLocation)
    }

    struct Case: Sendable {
        let name: String
        var age: Int64?
        var messages: Int64?
        var bytes: Int64?
        /// What the topic holds: messages, and bytes.
        let holds: (Int64, Int64)
        /// What is due at 100 s, at once and when a look has come.
        let atOnce: RetentionMachine.Removal?
        let afterLook: RetentionMachine.Removal?
    }

    static let cases: [Case] = [
        Case(name: "no bounds", holds: (1_000, 1_000), atOnce: nil, afterLook: nil),
        Case(name: "at its bound", messages: 16, holds: (16, 16), atOnce: nil, afterLook: nil),
        Case(
            name: "a little over",
            messages: 16,
            holds: (17, 17),
            atOnce: nil,
            afterLook: .expired(0, messages: 1, bytes: 0, throughMilliseconds: .min)
        ),
        Case(
            name: "over a small bound",
            messages: 1,
            holds: (2, 2),
            atOnce: .expired(0, messages: 1, bytes: 0, throughMilliseconds: .min),
            afterLook: .expired(0, messages: 1, bytes: 0, throughMilliseconds: .min)
        ),
        Case(
            name: "far over in bytes",
            messages: 100,
            bytes: 160,
            holds: (20, 200),
            atOnce: .expired(0, messages: 0, bytes: 40, throughMilliseconds: .min),
            afterLook: .expired(0, messages: 0, bytes: 40, throughMilliseconds: .min)
        ),
        Case(
            name: "over in all",
            age: 10,
            messages: 10,
            bytes: 100,
            holds: (20, 200),
            atOnce: .expired(0, messages: 10, bytes: 100, throughMilliseconds: 90_000),
            afterLook: .expired(0, messages: 10, bytes: 100, throughMilliseconds: 91_000)
        ),
        Case(name: "empty", age: 10, messages: 10, holds: (0, 0), atOnce: nil, afterLook: nil),
    ]

    @Test("What is due depends on what a topic holds and may", arguments: Self.cases)
    func due(row: Case) {
        var machine = Self.machine(Self.bounds())
        // A look that finds nothing, so that the next is a second away.
        machine.assign(0, Self.bounds(age: 1), atMilliseconds: 100_000)
        machine.appended(0, messages: 1, bytes: 0, atMilliseconds: 0)
        _ = machine.next(atMilliseconds: 100_000)
        machine.removed(0, messages: 1, bytes: 0, left: .nothing, atMilliseconds: 100_000)

        let bounds = Self.bounds(age: row.age, messages: row.messages, bytes: row.bytes)
        machine.assign(0, bounds, atMilliseconds: 100_000)
        machine.appended(
            0,
            messages: row.holds.0,
            bytes: row.holds.1,
            atMilliseconds: 100_000
        )
        let atOnce = machine.next(atMilliseconds: 100_000)
        #expect(atOnce == row.atOnce, "\(row.name)")
        if atOnce != nil { machine.failed(0, atMilliseconds: 100_000) }
        Self.expectNext(&machine, at: 101_000, row.afterLook, "\(row.name)")
        Self.expectNext(&machine, at: 101_000, nil, "each is told once")
    }

    @Test("The age of a topic is found out once, and nothing is looked at before its time")
    func age() {
        var machine = Self.machine(Self.bounds(age: 60), messages: 5, bytes: 5)
        let look = RetentionMachine.Removal.expired(
            0,
            messages: 0,
            bytes: 0,
            throughMilliseconds: 10_000 - 60_000
        )
        Self.expectNext(&machine, at: 10_000, look)
        machine.removed(0, messages: 0, bytes: 0, left: .oldest(7_000), atMilliseconds: 10_000)
        for second in Int64(11)..<67 {
            Self.expectNext(&machine, at: second * 1_000, nil)
        }
        Self.expectSome(&machine, at: 67_000)
        machine.removed(0, messages: 5, bytes: 5, left: .nothing, atMilliseconds: 67_000)
        Self.expectNext(&machine, at: 1_000_000, nil, "an empty topic does not age")
        machine.appended(0, messages: 1, bytes: 1, atMilliseconds: 1_000_000)
        Self.expectNext(&machine, at: 1_059_999, nil)
        Self.expectSome(&machine, at: 1_060_000)
    }

    @Test("When the clock goes back, ages are found out anew")
    func clock() {
        var machine = Self.machine(Self.bounds(age: 60), messages: 5, bytes: 5)
        Self.expectSome(&machine, at: 1_000_000)
        machine.removed(0, messages: 0, bytes: 0, left: .oldest(999_000), atMilliseconds: 1_000_000)
        Self.expectNext(&machine, at: 1_010_000, nil)
        Self.expectSome(&machine, at: 500_000)
        machine.removed(0, messages: 0, bytes: 0, left: .oldest(499_000), atMilliseconds: 500_000)
        Self.expectNext(&machine, at: 558_000, nil)
        Self.expectSome(&machine, at: 559_000)
    }

    @Test("Leftovers and what is over a policy take turns, and the line is fair")
    func leftovers() {
        func over(_ topic: Int, by messages: Int64) -> RetentionMachine.Removal {
            .expired(topic, messages: messages, bytes: 0, throughMilliseconds: .min)
        }
        var machine = Self.machine(Self.bounds(messages: 1), messages: 9, hasLeftovers: true)
        machine.add(
            messages: 9,
            bytes: 9,
            bounds: Self.bounds(messages: 1),
            hasLeftovers: false,
            atMilliseconds: 0
        )
        let dueCount = machine.dueCount
        #expect(dueCount == 2)
        Self.expectNext(&machine, at: 0, over(0, by: 8))
        machine.removed(0, messages: 1, bytes: 0, left: .more, atMilliseconds: 0)
        Self.expectNext(&machine, at: 0, over(1, by: 8), "each in its turn")
        machine.removed(1, messages: 8, bytes: 8, left: .oldest(0), atMilliseconds: 0)
        for left in Int64(6)...7 {
            Self.expectNext(&machine, at: 0, over(0, by: 13 - left))
            machine.removed(0, messages: 1, bytes: 0, left: .more, atMilliseconds: 0)
        }
        Self.expectNext(&machine, at: 0, .leftovers(0))
        machine.freed(0, isDone: false, atMilliseconds: 0)
        Self.expectNext(&machine, at: 0, over(0, by: 5))
        machine.removed(0, messages: 6, bytes: 0, left: .nothing, atMilliseconds: 0)
        Self.expectNext(&machine, at: 0, .leftovers(0), "also when nothing else is there")
        machine.freed(0, isDone: true, atMilliseconds: 0)
        Self.expectNext(&machine, at: 0, nil)
        let left = machine.dueCount
        #expect(left == 0)
    }

    @Test("While a great many leftovers are freed, a topic keeps what its policy says")
    func recreated() {
        var machine = Self.machine(Self.bounds(messages: 100), hasLeftovers: true)
        var freedTurns = 0
        for turn in Int64(0)..<1_000 {
            machine.appended(0, messages: 10, bytes: 10, atMilliseconds: turn * 10)
            switch machine.next(atMilliseconds: turn * 10) {
            case .expired(_, let messages, _, _):
                let removed = min(messages, 20)
                machine.removed(
                    0,
                    messages: removed,
                    bytes: removed,
                    left: removed < messages ? .more : .oldest(0),
                    atMilliseconds: turn * 10
                )
            case .leftovers:
                freedTurns += 1
                machine.freed(0, isDone: false, atMilliseconds: turn * 10)
            case .topic, nil:
                Issue.record("there are leftovers at turn \(turn)")
            }
            let holds = machine.messages(0)
            #expect(holds <= 130, "at turn \(turn)")
        }
        #expect(freedTurns >= 250)
    }

    @Test("Nothing is removed from a topic that somebody counts")
    func holds() {
        var machine = Self.machine(Self.bounds(messages: 1))
        machine.hold(0)
        machine.hold(0)
        machine.appended(0, messages: 9, bytes: 9, atMilliseconds: 0)
        Self.expectNext(&machine, at: 0, nil)
        machine.release(0, atMilliseconds: 1_000)
        Self.expectNext(&machine, at: 2_000, nil)
        machine.release(0, atMilliseconds: 2_000)
        Self.expectSome(&machine, at: 3_000)
    }

    @Test("In a random walk nothing is removed that is kept, and in the end nothing is left over")
    func walk() {
        let seed = Seed()
        var walk = RetentionWalk(seed)
        for _ in 0..<100_000 where walk.isGood { walk.step() }
        walk.settle()
    }
}
