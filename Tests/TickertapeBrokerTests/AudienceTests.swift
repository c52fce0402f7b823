import NIOCore
import Testing
import TickertapeCore
import TickertapeLog
import TickertapeTestSupport
import TickertapeWire

@testable import TickertapeBroker

struct AudienceTests {
    private func subscription(of audience: Audience) -> Subscription {
        Subscription(
            audience: audience,
            transport: RecordingTransport(),
            tellsCaughtUp: false
        )
    }

    @Test("A pass serves each live subscription once")
    func onePass() throws {
        let audience = Audience(try filter("a"))
        let subscriptions = (0..<5).map { _ in self.subscription(of: audience) }
        for subscription in subscriptions { audience.join(subscription) }
        for _ in 0..<2 {
            audience.beginPass(firstSequence: 0)
            let served = (0..<5).compactMap { _ in audience.nextInPass() }
            #expect(Set(served.map(ObjectIdentifier.init)).count == 5)
            #expect(audience.nextInPass() == nil)
            audience.endPass()
        }
    }

    @Test("Whoever joins or leaves during passes, each one there is served once a pass")
    func walk() throws {
        let seed = Seed()
        var random = seed.generator
        let audience = Audience(try filter("a"))
        var live: [ObjectIdentifier: Subscription] = [:]
        for _ in 0..<3_000 {
            var served: [ObjectIdentifier: Int] = [:]
            audience.beginPass(firstSequence: 0)
            while true {
                switch random.int(0...5) {
                case 0:
                    let subscription = self.subscription(of: audience)
                    audience.join(subscription)
                    live[ObjectIdentifier(subscription)] = subscription
                case 1 where !live.isEmpty:
                    let leaver = random.pick(live.values)
                    audience.leave(leaver)
                    #expect(leaver.liveIndex == -1)
                    live[ObjectIdentifier(leaver)] = nil
                    served[ObjectIdentifier(leaver)] = nil
                default: break
                }
                guard let next = audience.nextInPass() else { break }
                #expect(live[ObjectIdentifier(next)] != nil, "served after it left, \(seed)")
                served[ObjectIdentifier(next), default: 0] += 1
                // As a full socket would: who is served leaves, and comes back later.
                guard random.oneIn(4) else { continue }
                audience.leave(next)
                live[ObjectIdentifier(next)] = nil
                served[ObjectIdentifier(next)] = nil
            }
            audience.endPass()
            #expect(served.values.allSatisfy { $0 == 1 }, "\(seed)")
            #expect(Set(served.keys) == Set(live.keys), "\(seed)")
            #expect(Set(audience.live.map(ObjectIdentifier.init)) == Set(live.keys), "\(seed)")
            let places = audience.live.enumerated()
            #expect(places.allSatisfy { $1.liveIndex == $0 }, "\(seed)")
        }
    }

    @Test("What waits is delivered from the cursor on, and joined once for all who stand there")
    func deliveries() throws {
        let audience = Audience(try filter("a"))
        var recent = RecentBatches(floor: 0, bytesMax: 10_000)
        // 1 and 3 are of the topic, 2 is not; 4 stands alone in its batch.
        let first = recent.append(
            CommittedBatch(try [message(1, "a"), message(2, "b"), message(3, "a")])
        )
        let second = recent.append(CommittedBatch([try message(4, "a")]))
        audience.add(.init(id: 1, sequence: first, index: 0))
        audience.add(.init(id: 3, sequence: first, index: 2))
        audience.add(.init(id: 4, sequence: second, index: 0))
        audience.beginPass(firstSequence: recent.firstSequence)
        let table: [(cursor: Int64, ids: [Int64])] = [
            (0, [1, 3, 4]), (1, [3, 4]), (2, [3, 4]), (3, [4]), (4, []), (9, []), (0, [1, 3, 4]),
        ]
        for row in table {
            let delivery = audience.delivery(
                after: row.cursor,
                format: .eventStream(.plain),
                bytesMax: 1_000,
                recent: &recent,
                encoder: FrameEncoder(limits: Limits())
            )
            guard case .frames(let frames, let through) = delivery else {
                #expect(row.ids.isEmpty, "after \(row.cursor)")
                continue
            }
            let transport = RecordingTransport()
            _ = transport.write(frames)
            #expect(transport.ids == row.ids, "after \(row.cursor)")
            #expect(through == 4)
        }
        audience.endPass()
        #expect(!audience.hasPending)
    }

    @Test("What comes during a pass is not kept from those who are served later in it")
    func additionsDuringPass() throws {
        let audience = Audience(try filter("a"))
        var recent = RecentBatches(floor: 0, bytesMax: 10_000)
        func add(_ id: Int64) throws {
            let sequence = recent.append(CommittedBatch([try message(id, "a")]))
            audience.add(.init(id: id, sequence: sequence, index: 0))
        }
        func delivered(after cursor: Int64) -> [Int64] {
            let delivery = audience.delivery(
                after: cursor,
                format: .eventStream(.plain),
                bytesMax: 1_000,
                recent: &recent,
                encoder: FrameEncoder(limits: Limits())
            )
            guard case .frames(let frames, let through) = delivery else { return [] }
            let transport = RecordingTransport()
            _ = transport.write(frames)
            #expect(transport.ids.last == through)
            return transport.ids
        }
        try add(1)
        audience.beginPass(firstSequence: recent.firstSequence)
        #expect(delivered(after: 0) == [1])
        try add(2)
        #expect(delivered(after: 0) == [1, 2])
        try add(3)
        #expect(delivered(after: 1) == [2, 3])
        #expect(delivered(after: 0) == [1, 2, 3])
        audience.endPass()
        #expect(audience.hasPending, "those who were served first still miss 2 and 3")
        audience.beginPass(firstSequence: recent.firstSequence)
        #expect(delivered(after: 1) == [2, 3])
    }

    @Test("What is more than one write takes, or no longer in memory, is too much")
    func tooMuch() throws {
        let audience = Audience(try filter("a"))
        let data = String(repeating: "x", count: 100)
        var recent = RecentBatches(floor: 0, bytesMax: try message(1, "a", data).bytes * 3)
        for id in Int64(1)...3 {
            let sequence = recent.append(CommittedBatch([try message(id, "a", data)]))
            audience.add(.init(id: id, sequence: sequence, index: 0))
        }
        audience.beginPass(firstSequence: recent.firstSequence)
        func isTooMuch(
            after cursor: Int64,
            bytesMax: Int,
            _ framing: StreamFraming = .chunked
        ) -> Bool {
            let delivery = audience.delivery(
                after: cursor,
                // What was found once is kept for the pass, by format.
                format: .eventStream(framing),
                bytesMax: bytesMax,
                recent: &recent,
                encoder: FrameEncoder(limits: Limits())
            )
            guard case .tooMuch = delivery else { return false }
            return true
        }
        #expect(isTooMuch(after: 0, bytesMax: 50, .plain))
        #expect(!isTooMuch(after: 0, bytesMax: 1_000))
        #expect(!isTooMuch(after: 2, bytesMax: 1), "one message is never too much")
        // The first batch goes while the pass is under way, and before the next one.
        _ = recent.append(CommittedBatch([try message(4, "b", data)]))
        #expect(isTooMuch(after: 0, bytesMax: 1_000))
        #expect(!isTooMuch(after: 1, bytesMax: 1_000))
        audience.beginPass(firstSequence: recent.firstSequence)
        #expect(audience.evictedThrough == 1)
        #expect(isTooMuch(after: 0, bytesMax: 1_000))
        #expect(!isTooMuch(after: 1, bytesMax: 1_000))
    }
}
