import NIOCore
import Testing
import TickertapeCore
import TickertapeLog
import TickertapeTestSupport
import TickertapeWire

@testable import TickertapeBroker

struct RecentBatchesTests {
    private let format = WireFormat.eventStream(.plain)
    private let encoder = FrameEncoder(limits: Limits())

    private func ids(_ buffer: ByteBuffer) -> [Int64] {
        var parser = EventStreamParser()
        return parser.feed(buffer.readableBytesView).compactMap { item in
            guard case .message(let id, _, _) = item else { return nil }
            return Int64(id)
        }
    }

    @Test("Before the first batch nothing is kept and nothing is behind")
    func empty() {
        var recent = RecentBatches(floor: 7, bytesMax: 100)
        #expect(recent.floor == 7)
        var buffer = ByteBuffer()
        let written = recent.write(
            after: 7,
            bytesMax: 100,
            as: self.format,
            self.encoder,
            into: &buffer
        ) { _ in true }
        #expect((written.through, written.lastWritten) == (7, nil))
        #expect(buffer.readableBytes == 0)
    }

    @Test("The oldest batches are let go of at the bound, the newest is always kept")
    func eviction() throws {
        let one = try message(1, "a")
        var recent = RecentBatches(floor: 0, bytesMax: one.bytes * 3)
        for id in Int64(1)...3 {
            let sequence = recent.append(CommittedBatch([try message(id, "a")]))
            #expect(sequence == Int(id) - 1)
            #expect(recent.floor == 0)
        }
        #expect(recent.append(CommittedBatch([try message(4, "a")])) == 3)
        #expect(recent.floor == 1)
        #expect(recent.firstSequence == 1)
        let huge = try message(9, "a", String(repeating: "x", count: 10_000))
        #expect(recent.append(CommittedBatch([huge])) == 4)
        #expect(recent.floor == 4)
        #expect(recent.firstSequence == 4)
        #expect(recent.append(CommittedBatch([try message(10, "a")])) == 5)
        #expect(recent.floor == 9)
    }

    @Test("A run of messages of one batch is written as it stands")
    func runs() throws {
        var recent = RecentBatches(floor: 0, bytesMax: 10_000)
        _ = recent.append(CommittedBatch([try message(1, "a")]))
        let sequence = recent.append(
            CommittedBatch(try (Int64(2)...6).map { try message($0, "a", "data \($0)") })
        )
        for first in 0...4 {
            for last in first...4 {
                var buffer = ByteBuffer()
                recent.write(
                    first...last,
                    of: sequence,
                    as: self.format,
                    self.encoder,
                    into: &buffer
                )
                #expect(self.ids(buffer) == (first...last).map { Int64($0) + 2 })
            }
        }
    }

    @Test("What is written after a cursor is what a plain list has there")
    func walk() throws {
        let seed = Seed()
        var random = seed.generator
        let topics = try ["a", "b", "c"].map { try TopicName($0) }
        for _ in 0..<30 {
            var recent = RecentBatches(floor: 5, bytesMax: random.int(300...3_000))
            var batches: [CommittedBatch] = []
            var id: Int64 = 5
            for _ in 0..<60 {
                let messages = try (0..<random.int(1...4)).map { _ in
                    id += Int64(random.int(1...3))
                    let data = String(repeating: "x", count: random.int(0...80))
                    return try message(id, random.pick(topics).text, data)
                }
                let batch = CommittedBatch(messages)
                batches.append(batch)
                #expect(recent.append(batch) == batches.count - 1)
                try self.check(&recent, batches, seed)
                let wanted = Set(topics.filter { _ in random.oneIn(2) })
                let cursor = Int64(random.int(Int(recent.floor)...Int(id) + 1))
                let bytesMax = random.int(1...600)
                let due = batches.flatMap(\.messages).filter { $0.id > cursor }
                var buffer = ByteBuffer()
                let written = recent.write(
                    after: cursor,
                    bytesMax: bytesMax,
                    as: self.format,
                    self.encoder,
                    into: &buffer
                ) {
                    wanted.contains($0)
                }
                let selected = due.filter { wanted.contains($0.topic) }.map(\.id)
                let ids = self.ids(buffer)
                let isWhole = ids == selected
                #expect(ids == selected.filter { $0 <= written.through }, "\(seed)")
                #expect(written.lastWritten == ids.last, "\(seed)")
                #expect(isWhole || buffer.readableBytes >= bytesMax, "\(seed)")
                #expect(!ids.isEmpty || isWhole, "at least one, \(seed)")
                let end = isWhole ? due.last?.id ?? cursor : written.through
                #expect(written.through == end, "\(seed)")
            }
        }
    }

    private func check(
        _ recent: inout RecentBatches,
        _ batches: [CommittedBatch],
        _ seed: Seed
    ) throws {
        let kept = batches[recent.firstSequence...]
        let before = batches[..<recent.firstSequence]
        #expect(recent.floor == before.last?.lastID ?? 5, "\(seed)")
        #expect(!kept.isEmpty, "\(seed)")
        for (sequence, batch) in zip(recent.firstSequence..., kept) {
            for (index, message) in batch.messages.enumerated() {
                var buffer = ByteBuffer()
                recent.write(
                    index...index,
                    of: sequence,
                    as: self.format,
                    self.encoder,
                    into: &buffer
                )
                #expect(self.ids(buffer) == [message.id], "\(seed)")
            }
        }
    }
}
