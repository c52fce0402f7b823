import Testing
import TickertapeCore
import TickertapeTestSupport

@testable import TickertapeBroker

struct HeartbeatWheelTests {
    private func subscription() throws -> Subscription {
        Subscription(
            audience: Audience(try filter("a")),
            transport: RecordingTransport(),
            tellsCaughtUp: false
        )
    }

    @Test("A quiet subscription is due once in fifteen turns")
    func quiet() throws {
        var wheel = HeartbeatWheel()
        for _ in 0..<7 { _ = wheel.turn() }
        let subscription = try self.subscription()
        wheel.add(subscription)
        var dueTurns: [Int] = []
        for _ in 0..<60 where !wheel.turn().isEmpty { dueTurns.append(wheel.turns) }
        #expect(dueTurns == [22, 37, 52, 67])
    }

    @Test("One that was written to is due fifteen turns after its last write")
    func written() throws {
        var wheel = HeartbeatWheel()
        let subscription = try self.subscription()
        wheel.add(subscription)
        var dueTurns: [Int] = []
        for _ in 0..<60 {
            if !wheel.turn().isEmpty { dueTurns.append(wheel.turns) }
            if wheel.turns <= 20 { subscription.lastWriteTurn = wheel.turns }
        }
        #expect(dueTurns == [35, 50])
    }

    @Test("Under random writes, joins and leaves nobody is due early, late or twice")
    func walk() throws {
        let seed = Seed()
        var random = seed.generator
        var wheel = HeartbeatWheel()
        var all: [ObjectIdentifier: Subscription] = [:]
        for _ in 0..<20_000 {
            switch random.int(0...9) {
            case 0...1 where all.count < 60:
                let subscription = try self.subscription()
                wheel.add(subscription)
                all[ObjectIdentifier(subscription)] = subscription
            case 2 where !all.isEmpty:
                let leaver = random.pick(all.values)
                wheel.remove(leaver)
                #expect(leaver.beatIndex == -1)
                all[ObjectIdentifier(leaver)] = nil
            case 3...5 where !all.isEmpty: random.pick(all.values).lastWriteTurn = wheel.turns
            default:
                let due = wheel.turn().map(ObjectIdentifier.init)
                let expected = all.filter { _, subscription in
                    (wheel.turns - subscription.lastWriteTurn) % HeartbeatWheel.slots == 0
                }
                #expect(due.count == expected.count, "\(seed)")
                #expect(Set(due) == Set(expected.keys), "\(seed)")
            }
        }
        #expect(Set(wheel.all.map(ObjectIdentifier.init)) == Set(all.keys), "\(seed)")
    }
}
