import NIOCore
import TickertapeCore
import TickertapeLog
import TickertapeWire

/// The last few committed batches and, once somebody wants them, their frames.
///
/// Confined to its event loop. Bounded in bytes: what is older is read from the log.
struct RecentBatches {
    /// One batch; its frames are encoded once, when first asked for.
    private struct Recent {
        let batch: CommittedBatch
        var frames: ByteBuffer?
        /// Where in `frames` the frame of each message ends.
        var ends: [Int] = []
    }

    /// A message by its place, which stays valid while the batch is kept.
    struct Position {
        let id: Int64
        let sequence: Int
        let index: Int
    }

    private var kept = CircularBuffer<Recent>(initialCapacity: 64)
    /// The sequence number of the first batch that is kept.
    private(set) var firstSequence = 0
    /// Everything after this id is kept.
    private(set) var floor: Int64
    private var bytes = 0
    private let bytesMax: Int

    /// Messages looked at in one go, selected or not.
    private static let examinedMax = 2_000

    init(floor: Int64, bytesMax: Int) {
        self.floor = floor
        self.bytesMax = bytesMax
    }

    /// Keeps a batch and lets go of the oldest ones that are over the bound.
    ///
    /// - Returns: The sequence number of the batch.
    mutating func append(_ batch: CommittedBatch) -> Int {
        self.kept.append(Recent(batch: batch))
        self.bytes += batch.bytes
        while self.bytes > self.bytesMax && self.kept.count > 1 {
            let oldest = self.kept.removeFirst()
            self.bytes -= oldest.batch.bytes
            self.floor = oldest.batch.lastID
            self.firstSequence += 1
        }
        return self.firstSequence + self.kept.count - 1
    }

    /// The size of the frame at `position`.
    mutating func frameBytes(at position: Position) -> Int {
        self.encode(position.sequence)
        let recent = self.kept[offset: position.sequence - self.firstSequence]
        let start = position.index == 0 ? 0 : recent.ends[position.index - 1]
        return recent.ends[position.index] - start
    }

    /// Appends the frames of messages `range` of one batch to `buffer`.
    mutating func write(
        _ range: ClosedRange<Int>,
        of sequence: Int,
        into buffer: inout ByteBuffer
    ) {
        self.encode(sequence)
        let recent = self.kept[offset: sequence - self.firstSequence]
        guard let frames = recent.frames else { preconditionFailure("a batch is encoded") }
        let start = range.lowerBound == 0 ? 0 : recent.ends[range.lowerBound - 1]
        let length = recent.ends[range.upperBound] - start
        frames.withUnsafeReadableBytes { bytes in
            _ = buffer.writeBytes(
                UnsafeRawBufferPointer(rebasing: bytes[start..<start + length])
            )
        }
    }

    /// Appends the frames after `cursor` that `isSelected` picks, up to `bytesMax`.
    ///
    /// - Returns: The last id examined, and the last one written.
    mutating func write(
        after cursor: Int64,
        bytesMax: Int,
        into buffer: inout ByteBuffer,
        where isSelected: (TopicName) -> Bool
    ) -> (through: Int64, lastWritten: Int64?) {
        precondition(cursor >= self.floor, "what lies before the floor is in the log")
        var through = cursor
        var lastWritten: Int64?
        var examined = 0
        for offset in self.firstOffset(after: cursor)..<self.kept.count {
            let sequence = self.firstSequence + offset
            let messages = self.kept[offset: offset].batch.messages
            for (index, message) in messages.enumerated() where message.id > cursor {
                if examined == Self.examinedMax { return (through, lastWritten) }
                examined += 1
                guard isSelected(message.topic) else {
                    through = message.id
                    continue
                }
                if buffer.readableBytes >= bytesMax { return (through, lastWritten) }
                self.write(index...index, of: sequence, into: &buffer)
                through = message.id
                lastWritten = message.id
            }
        }
        return (through, lastWritten)
    }

    /// The first batch with a message after `cursor`, by binary search.
    private func firstOffset(after cursor: Int64) -> Int {
        var low = 0
        var high = self.kept.count
        while low < high {
            let middle = (low + high) / 2
            if self.kept[offset: middle].batch.lastID > cursor {
                high = middle
            } else {
                low = middle + 1
            }
        }
        return low
    }

    private mutating func encode(_ sequence: Int) {
        let offset = sequence - self.firstSequence
        guard self.kept[offset: offset].frames == nil else { return }
        let batch = self.kept[offset: offset].batch
        var frames = ByteBufferAllocator().buffer(capacity: batch.bytes)
        var ends: [Int] = []
        ends.reserveCapacity(batch.messages.count)
        for message in batch.messages {
            EventStreamFrame.write(message, into: &frames)
            ends.append(frames.readableBytes)
        }
        self.kept[offset: offset].frames = frames
        self.kept[offset: offset].ends = ends
    }
}

extension CircularBuffer {
    fileprivate subscript(offset offset: Int) -> Element {
        get { self[self.index(self.startIndex, offsetBy: offset)] }
        set { self[self.index(self.startIndex, offsetBy: offset)] = newValue }
    }
}
