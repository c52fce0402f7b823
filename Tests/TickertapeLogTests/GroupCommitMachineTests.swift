import Testing
import TickertapeCore
import TickertapeLog
import TickertapeTestSupport

struct GroupCommitMachineTests {
    private static var limits: Limits {
        var limits = Limits()
        limits.batchMessagesMax = 10
        limits.batchBytesMax = 1_000
        limits.batchMilliseconds = 20
        return limits
    }

    /// A submission that comes while a transaction with one of (4, 400) is open since 100 ms.
    struct Offer: Sendable {
        let messages: Int
        let bytes: Int
        let milliseconds: Int64
        let action: GroupCommitMachine.OfferedAction
    }

    @Test(
        "What fits joins the open transaction, what does not waits for its commit",
        arguments: [
            Offer(messages: 1, bytes: 1, milliseconds: 100, action: .insert),
            Offer(messages: 6, bytes: 600, milliseconds: 119, action: .insert),
            Offer(messages: 7, bytes: 600, milliseconds: 100, action: .commit),
            Offer(messages: 6, bytes: 601, milliseconds: 100, action: .commit),
            Offer(messages: 1, bytes: 1, milliseconds: 120, action: .commit),
            Offer(messages: 11, bytes: 1, milliseconds: 100, action: .commit),
            Offer(messages: 1, bytes: 1_001, milliseconds: 100, action: .commit),
        ]
    )
    func offers(offer: Offer) {
        var machine = GroupCommitMachine(limits: Self.limits)
        let first = machine.offered(messages: 4, bytes: 400, atMilliseconds: 100)
        #expect(first == .begin)
        let action = machine.offered(
            messages: offer.messages,
            bytes: offer.bytes,
            atMilliseconds: offer.milliseconds
        )
        #expect(action == offer.action)
        guard action == .commit else { return }
        machine.ended()
        let again = machine.offered(
            messages: offer.messages,
            bytes: offer.bytes,
            atMilliseconds: offer.milliseconds
        )
        #expect(again == .begin, "whatever its size, it is taken once the way is free")
    }

    @Test("Messages and bytes add up over the submissions of a transaction")
    func sums() {
        var machine = GroupCommitMachine(limits: Self.limits)
        var actions: [GroupCommitMachine.OfferedAction] = []
        for _ in 0..<6 {
            actions.append(machine.offered(messages: 2, bytes: 150, atMilliseconds: 0))
        }
        #expect(actions == [.begin, .insert, .insert, .insert, .insert, .commit])
    }

    @Test("An open transaction is committed as soon as nothing waits")
    func queueEmpty() {
        var machine = GroupCommitMachine(limits: Self.limits)
        let idle = machine.queueEmpty()
        #expect(idle == .wait)
        _ = machine.offered(messages: 1, bytes: 1, atMilliseconds: 0)
        let open = machine.queueEmpty()
        let stillOpen = machine.queueEmpty()
        #expect(open == .commit)
        #expect(stillOpen == .commit, "until it has ended")
        machine.ended()
        let ended = machine.queueEmpty()
        #expect(ended == .wait)
    }

    /// What the machine should know, told once more.
    private struct Model {
        var submissions = 0
        var messages = 0
        var bytes = 0
        var since: Int64 = 0

        func fits(_ messages: Int, _ bytes: Int, _ now: Int64, _ limits: Limits) -> Bool {
            self.messages + messages <= limits.batchMessagesMax
                && self.bytes + bytes <= limits.batchBytesMax
                && now - self.since < Int64(limits.batchMilliseconds)
        }
    }

    @Test("No walk gets a transaction over its bounds, except one submission alone")
    func walk() {
        let seed = Seed()
        var random = seed.generator
        let limits = Self.limits
        var machine = GroupCommitMachine(limits: limits)
        var model = Model()
        var now: Int64 = 0
        for step in 0..<100_000 {
            now += Int64(random.int(0...3))
            if random.oneIn(5) {
                let action = machine.queueEmpty()
                #expect(action == (model.submissions > 0 ? .commit : .wait), "\(step), \(seed)")
                if action == .commit {
                    machine.ended()
                    model = Model()
                }
                continue
            }
            let messages = random.oneIn(20) ? random.int(11...30) : random.int(1...4)
            let bytes = random.oneIn(20) ? random.int(1_001...5_000) : random.int(1...400)
            var action = machine.offered(messages: messages, bytes: bytes, atMilliseconds: now)
            if action == .commit {
                let mayWait = model.submissions > 0 && !model.fits(messages, bytes, now, limits)
                #expect(mayWait, "\(step), \(seed)")
                machine.ended()
                model = Model()
                action = machine.offered(messages: messages, bytes: bytes, atMilliseconds: now)
            }
            if model.submissions == 0 { model.since = now }
            #expect(action == (model.submissions == 0 ? .begin : .insert), "\(step), \(seed)")
            model.submissions += 1
            model.messages += messages
            model.bytes += bytes
            guard model.submissions > 1 else { continue }
            #expect(model.messages <= limits.batchMessagesMax, "\(step), \(seed)")
            #expect(model.bytes <= limits.batchBytesMax, "\(step), \(seed)")
        }
    }
}
