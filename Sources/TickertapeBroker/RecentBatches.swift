import NIOCore
import TickertapeCore
import TickertapeLog
import TickertapeWire

/// The last few committed batches and, once somebody wants them, their frames.
///
/// Confined to its event loop. Bounded in bytes: what is older is read from the log.
struct RecentBatches {
    /// One batch; its frames are encoded once a format, when first asked for.
    private struct Recent {
        let batch: CommittedBatch
        var encoded: [Encoded] = []
    }

    /// A batch in one format.
    private struct Encoded {
        let format: WireFormat
        var frames: ByteBuffer
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

    /// Formats whose frames are kept; the others are encoded each time.
    private static let formatsMax = 4

    /// Messages looked at in one go, selected or not.
    private static let examinedMax = 2_000

    init(floor: Int64, bytesMax: Int) {
        self.floor = floor
        self.bytesMax = bytesMax
    }

    /// Whether older batches have to go when this one comes.
    func isFull(with batch: CommittedBatch) -> Bool {
        self.bytes + batch.bytes > self.bytesMax
    }

    /// Keeps a batch and lets go of the oldest ones that are over the bound.
    ///
    /// - Returns: The sequence number of the batch.
    mutating func append(_ batch: CommittedBatch) -> Int {
        self.kept.append(Recent(batch: batch))
        self.bytes += batch.bytes
        while self.bytes > self.bytesMax && self.kept.count > 1 { self.removeOldest() }
        return self.firstSequence + self.kept.count - 1
    }

    /// Lets go of everything up to an id: an operator has removed some of it.
    mutating func forget(through id: Int64) {
        while let oldest = self.kept.first, oldest.batch.lastID <= id { self.removeOldest() }
        self.floor = max(self.floor, id)
    }

    private mutating func removeOldest() {
        let oldest = self.kept.removeFirst()
        self.bytes -= oldest.batch.bytes
        self.floor = max(self.floor, oldest.batch.lastID)
        self.firstSequence += 1
    }

    func message(at position: Position) -> Message {
        self.batch(of: position.sequence).messages[position.index]
    }

    func batch(of sequence: Int) -> CommittedBatch {
        self.kept[offset: sequence - self.firstSequence].batch
    }

    /// Appends the frames of messages `range` of one batch to `buffer`.
    mutating func write(
        _ range: ClosedRange<Int>,
        of sequence: Int,
        as format: WireFormat,
        _ encoder: FrameEncoder,
        into buffer: inout ByteBuffer
    ) {
        let offset = sequence - self.firstSequence
        let place = self.encodedPlace(offset, format.encoding, wanted: range.count, encoder)
        guard let place else {
            for message in self.kept[offset: offset].batch.messages[range] {
                encoder.write(message, as: format, into: &buffer)
            }
            return
        }
        let encoded = self.kept[offset: offset].encoded[place]
        let start = range.lowerBound == 0 ? 0 : encoded.ends[range.lowerBound - 1]
        let length = encoded.ends[range.upperBound] - start
        encoded.frames.withUnsafeReadableBytes { bytes in
            _ = buffer.writeBytes(
                UnsafeRawBufferPointer(rebasing: bytes[start..<start + length])
            )
        }
    }

    /// Appends the frames after `cursor` that `isSelected` picks, up to `bytesMax`.
    ///
    /// - Returns: The last id examined, the last one written, and what was written.
    mutating func write(
        after cursor: Int64,
        bytesMax: Int,
        as format: WireFormat,
        _ encoder: FrameEncoder,
        into buffer: inout ByteBuffer,
        where isSelected: (TopicName) -> Bool
    ) -> (through: Int64, lastWritten: Int64?, tally: MessageTally) {
        precondition(cursor >= self.floor, "what lies before the floor is in the log")
        var through = cursor
        var lastWritten: Int64?
        var examined = 0
        var tally = MessageTally()
        for offset in self.firstOffset(after: cursor)..<self.kept.count {
            let sequence = self.firstSequence + offset
            let messages = self.kept[offset: offset].batch.messages
            for (index, message) in messages.enumerated() where message.id > cursor {
                if examined == Self.examinedMax { return (through, lastWritten, tally) }
                examined += 1
                guard isSelected(message.topic) else {
                    through = message.id
                    continue
                }
                if buffer.readableBytes >= bytesMax { return (through, lastWritten, tally) }
                self.write(index...index, of: sequence, as: format, encoder, into: &buffer)
                through = message.id
                lastWritten = message.id
                tally.add(message)
            }
        }
        return (through, lastWritten, tally)
    }

    /// The messages after `cursor` that `isSelected` picks, as a page that is to be joined: bounded
    /// by payload, and by how many are looked at.
    func page(
        after cursor: Int64,
        limits: Limits,
        where isSelected: (TopicName) -> Bool
    ) -> (messages: [Message], through: Int64) {
        precondition(cursor >= self.floor, "what lies before the floor is in the log")
        var taken: [Message] = []
        var (through, examined, bytes) = (cursor, 0, 0)
        for offset in self.firstOffset(after: cursor)..<self.kept.count {
            for message in self.kept[offset: offset].batch.messages where message.id > cursor {
                if examined == limits.coalescedMessagesMax { return (taken, through) }
                examined += 1
                if isSelected(message.topic) {
                    bytes += message.data.utf8.count
                    if bytes > limits.writeBytesMax, !taken.isEmpty { return (taken, through) }
                    taken.append(message)
                }
                through = message.id
            }
        }
        return (taken, through)
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

    /// Where the frames of a batch stand, encoded now if they were not; nothing when no more
    /// formats are kept, or when few of its messages are wanted in a format that few may share.
    private mutating func encodedPlace(
        _ offset: Int,
        _ encoding: WireFormat,
        wanted: Int,
        _ encoder: FrameEncoder
    ) -> Int? {
        let known = self.kept[offset: offset].encoded
        if let place = known.firstIndex(where: { $0.format == encoding }) { return place }
        let batch = self.kept[offset: offset].batch
        guard known.count < Self.formatsMax,
            encoding.isCommon || wanted * 2 > batch.messages.count
        else { return nil }
        var encoded = Encoded(
            format: encoding,
            frames: ByteBufferAllocator().buffer(capacity: batch.bytes)
        )
        encoded.ends.reserveCapacity(batch.messages.count)
        for message in batch.messages {
            encoder.write(message, as: encoding, into: &encoded.frames)
            encoded.ends.append(encoded.frames.readableBytes)
        }
        self.kept[offset: offset].encoded.append(encoded)
        return known.count
    }
}

extension CircularBuffer {
    fileprivate subscript(offset offset: Int) -> Element {
        get { self[self.index(self.startIndex, offsetBy: offset)] }
        set { self[self.index(self.startIndex, offsetBy: offset)] = newValue }
    }
}
