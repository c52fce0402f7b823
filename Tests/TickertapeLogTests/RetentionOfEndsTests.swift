import Testing
import TickertapeCore
import TickertapeLog
import TickertapeTestSupport

/// When topics that have ended go, as the machine decides it.
struct RetentionOfEndsTests {
    private static func bounds(ended: Int64?, age: Int64? = nil) -> RetentionMachine.Bounds {
        var policy = PolicySet.fallback
        policy.removesEndedAfterSeconds = ended
        policy.maxAgeSeconds = age
        return RetentionMachine.Bounds(policy)
    }

    private static func machine(
        _ bounds: RetentionMachine.Bounds,
        messages: Int64 = 0
    ) -> RetentionMachine {
        var machine = RetentionMachine()
        machine.add(
            messages: messages,
            bytes: messages,
            bounds: bounds,
            hasLeftovers: false,
            atMilliseconds: 0
        )
        return machine
    }

    private static func expectNext(
        _ machine: inout RetentionMachine,
        at now: Int64,
        _ expected: RetentionMachine.Removal?,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let next = machine.next(atMilliseconds: now)
        #expect(next == expected, sourceLocation: sourceLocation)
    }

    @Test("A topic goes so long after its end, not before")
    func due() {
        var machine = Self.machine(Self.bounds(ended: 60), messages: 3)
        Self.expectNext(&machine, at: 100_000, nil)
        machine.ended(0, atMilliseconds: 100_000)
        for second in Int64(101)..<160 { Self.expectNext(&machine, at: second * 1_000, nil) }
        Self.expectNext(&machine, at: 160_000, .topic(0))
        Self.expectNext(&machine, at: 162_000, nil)
        machine.failed(0, atMilliseconds: 162_000)
        Self.expectNext(&machine, at: 162_500, nil)
        Self.expectNext(&machine, at: 163_000, .topic(0))
        machine.reopened(0)
        machine.purged(0, messages: 3, bytes: 3)
        Self.expectNext(&machine, at: 163_000, .leftovers(0))
        machine.freed(0, isDone: true, atMilliseconds: 163_000)
        Self.expectNext(&machine, at: 1_000_000, nil)
    }

    @Test("A topic that was reopened in between stays, and ends anew")
    func reopened() {
        var machine = Self.machine(Self.bounds(ended: 10))
        machine.ended(0, atMilliseconds: 0)
        machine.reopened(0)
        Self.expectNext(&machine, at: 20_000, nil)
        machine.ended(0, atMilliseconds: 20_000)
        Self.expectNext(&machine, at: 29_000, nil)
        machine.reopened(0)
        // In line already.
        machine.lookAround(atMilliseconds: 31_000)
        Self.expectNext(&machine, at: 31_000, nil)
    }

    @Test("Another policy counts at once, also one that keeps ended topics")
    func policies() {
        var machine = Self.machine(Self.bounds(ended: nil))
        machine.ended(0, atMilliseconds: 5_000)
        Self.expectNext(&machine, at: 100_000, nil)
        machine.assign(0, Self.bounds(ended: 200), atMilliseconds: 100_000)
        Self.expectNext(&machine, at: 101_000, nil)
        machine.assign(0, Self.bounds(ended: nil), atMilliseconds: 102_000)
        Self.expectNext(&machine, at: 500_000, nil)
        machine.assign(0, Self.bounds(ended: .max), atMilliseconds: 500_000)
        Self.expectNext(&machine, at: 501_000, nil)
        machine.assign(0, Self.bounds(ended: 10), atMilliseconds: 501_000)
        Self.expectNext(&machine, at: 502_000, .topic(0))
    }

    @Test("The end is not forgotten for the age of messages, nor while somebody counts them")
    func others() {
        var machine = Self.machine(Self.bounds(ended: 60, age: 10), messages: 2)
        let look = RetentionMachine.Removal.expired(
            0,
            messages: 0,
            bytes: 0,
            throughMilliseconds: -9_000
        )
        machine.ended(0, atMilliseconds: 0)
        Self.expectNext(&machine, at: 1_000, look)
        machine.removed(0, messages: 2, bytes: 2, left: .nothing, atMilliseconds: 1_000)
        machine.hold(0)
        Self.expectNext(&machine, at: 60_000, nil)
        machine.release(0, atMilliseconds: 61_000)
        Self.expectNext(&machine, at: 62_000, .topic(0))
    }

    @Test("When the clock goes back, a topic goes in its time all the same")
    func clock() {
        var machine = Self.machine(Self.bounds(ended: 60))
        machine.ended(0, atMilliseconds: 500_000)
        Self.expectNext(&machine, at: 510_000, nil)
        Self.expectNext(&machine, at: 400_000, nil)
        Self.expectNext(&machine, at: 559_000, nil)
        Self.expectNext(&machine, at: 560_000, .topic(0))
    }
}
