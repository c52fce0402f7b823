import Synchronization
import TickertapeCore

/// Every topic of the log, in memory: its number, its last message, and how much it holds.
///
/// Any thread. The writer changes it, with what is committed.
final class TopicCatalog: Sendable {
    /// What one transaction appended to a topic.
    struct Appended: Equatable {
        var lastID: Int64 = 0
        var messages: Int64 = 0
        /// Of payload.
        var bytes: Int64 = 0

        mutating func add(_ id: Int64, _ bytes: Int) {
            self.lastID = id
            self.messages += 1
            self.bytes += Int64(bytes)
        }
    }

    struct Found {
        let number: Int64
        var isDeleted = false
        /// Without having been deleted.
        var hasEnded = false
    }

    /// The sums over all topics.
    struct Totals {
        /// Without deleted ones.
        var topics = 0
        var messages: Int64 = 0
        var bytes: Int64 = 0
        var messagesIn: Int64 = 0
        var bytesIn: Int64 = 0
    }

    private struct Topics {
        /// Columns, so that a reader's copy of one costs the writer little when it next changes it.
        var table = TopicTable()
        var indexByName: [TopicName: Int] = [:]
        var indexByNumber: [Int64: Int] = [:]
        /// Up to where messages are gone, for topics that still have rows of such messages.
        var purged: [Int64: Int64] = [:]
        var totals = Totals()

        mutating func setEnd(_ end: TopicEnd?, _ index: Int) {
            let wasDeleted = self.table.deletedCount
            self.table.setEnd(end, index)
            self.totals.topics -= self.table.deletedCount - wasDeleted
        }

        func index(of number: Int64) -> Int {
            guard let index = self.indexByNumber[number] else {
                preconditionFailure("topic \(number) was never added")
            }
            return index
        }
    }

    private let topics = Mutex(Topics())

    func add(
        _ name: TopicName,
        number: Int64,
        lastID: Int64,
        messages: Int64 = 0,
        bytes: Int64 = 0,
        end: TopicEnd? = nil
    ) {
        self.topics.withLock { topics in
            let index = topics.table.names.count
            topics.table.append(
                name,
                number: number,
                lastID: lastID,
                messages: messages,
                bytes: bytes
            )
            topics.indexByName[name] = index
            topics.indexByNumber[number] = index
            topics.totals.messages += messages
            topics.totals.bytes += bytes
            topics.totals.topics += 1
            if let end { topics.setEnd(end, index) }
        }
    }

    var table: TopicTable { self.topics.withLock { $0.table } }
    var totals: Totals { self.topics.withLock { $0.totals } }

    func find(_ name: TopicName) -> Found? {
        self.topics.withLock { topics in
            topics.indexByName[name].map { index in
                Found(
                    number: topics.table.numbers[index],
                    isDeleted: topics.table.isDeleted(index),
                    hasEnded: topics.table.hasEnded(index)
                )
            }
        }
    }

    /// The last id of a topic, and whether it has a message; nothing when it was not added yet.
    func standing(of number: Int64) -> (lastID: Int64, hasMessage: Bool)? {
        self.topics.withLock { topics in
            topics.indexByNumber[number].map { index in
                (topics.table.lastIDs[index], topics.table.messageCounts[index] > 0)
            }
        }
    }

    /// The last id that a topic was given since the broker started.
    func lastAppendedID(of number: Int64) -> Int64? {
        self.topics.withLock { topics in
            guard let index = topics.indexByNumber[number], topics.table.messagesIn[index] > 0
            else { return nil }
            return topics.table.lastIDs[index]
        }
    }

    func name(of number: Int64) -> TopicName? {
        self.topics.withLock { topics in
            topics.indexByNumber[number].map { topics.table.names[$0] }
        }
    }

    /// Notes what a transaction appended to the topics it touched.
    func advance(_ appended: [Int64: Appended]) {
        self.topics.withLock { topics in
            for (number, more) in appended {
                let index = topics.index(of: number)
                assert(topics.table.lastIDs[index] < more.lastID, "ids strictly increase")
                topics.table.lastIDs[index] = more.lastID
                topics.table.messageCounts[index] += more.messages
                topics.table.byteCounts[index] += more.bytes
                topics.table.messagesIn[index] += more.messages
                topics.table.bytesIn[index] += more.bytes
                topics.totals.messages += more.messages
                topics.totals.bytes += more.bytes
                topics.totals.messagesIn += more.messages
                topics.totals.bytesIn += more.bytes
            }
        }
    }

    /// Notes that a topic holds so much now, less than before.
    func lower(_ number: Int64, toMessages messages: Int64, bytes: Int64) {
        self.topics.withLock { topics in
            let index = topics.index(of: number)
            topics.totals.messages += messages - topics.table.messageCounts[index]
            topics.totals.bytes += bytes - topics.table.byteCounts[index]
            topics.table.messageCounts[index] = messages
            topics.table.byteCounts[index] = bytes
        }
    }
}

/// Topics that have ended or were deleted.
extension TopicCatalog {
    /// How a topic has ended that was not deleted.
    func end(of number: Int64) -> TopicEnd? {
        self.topics.withLock { topics in
            topics.indexByNumber[number].flatMap { index in
                topics.table.hasEnded(index) ? topics.table.end(index) : nil
            }
        }
    }

    /// How a filter has ended that has nothing but topics that have ended or were deleted.
    ///
    /// The last of them is the one with the latest time; of several the one with the largest id.
    func end(of filter: TopicFilter) -> FilterEnd? {
        guard let exact = filter.exactTopics else { return nil }
        return self.topics.withLock { topics in
            guard topics.table.endedCount + topics.table.deletedCount > 0 else { return nil }
            var last: TopicEnd?
            var lastID: Int64 = 0
            for name in exact {
                guard let index = topics.indexByName[name], let end = topics.table.end(index)
                else { return nil }
                lastID = max(lastID, end.lastID)
                if let known = last, end.isBefore(known) { continue }
                last = end
            }
            return last.map { FilterEnd(last: $0, lastID: lastID) }
        }
    }

    /// Notes that a topic has ended or was deleted.
    func setEnd(_ end: TopicEnd, _ number: Int64) {
        self.topics.withLock { topics in topics.setEnd(end, topics.index(of: number)) }
    }

    /// Notes that a topic takes messages again.
    func revive(_ number: Int64) {
        self.topics.withLock { topics in topics.setEnd(nil, topics.index(of: number)) }
    }
}

extension TopicEnd {
    fileprivate func isBefore(_ other: TopicEnd) -> Bool {
        (self.timeMilliseconds, self.lastID) < (other.timeMilliseconds, other.lastID)
    }

    /// That of a topic that is deleted with everything in it: its readers have nothing to come.
    static func deleted(_ topic: TopicName, atMilliseconds time: Int64) -> TopicEnd {
        TopicEnd(topic: topic, reason: .deleted, lastID: 0, timeMilliseconds: time)
    }
}

/// Messages that are gone although their rows are still there.
extension TopicCatalog {
    /// For each topic that has such rows, up to which id.
    ///
    /// A reader takes it before its transaction begins: the gap that belongs to what it leaves out
    /// is in the database then, and so are the rows of a topic that is not in it any more.
    var purged: [Int64: Int64] { self.topics.withLock { $0.purged } }

    /// From now on readers leave out what the topic has up to `id`.
    func purge(_ number: Int64, through id: Int64) {
        self.topics.withLock { $0.purged[number] = id }
    }

    /// The last such row of a topic has gone.
    func freed(_ number: Int64) {
        _ = self.topics.withLock { $0.purged.removeValue(forKey: number) }
    }
}

/// What a reader has to look at.
extension TopicCatalog {
    /// For a filter after a cursor.
    enum Candidates: Equatable {
        /// These topics, by number; all others have nothing new.
        case topics([Int64])
        /// More than it is worth to merge.
        case many
    }

    func candidates(for filter: TopicFilter, after cursor: Int64, max: Int) -> Candidates {
        if let exact = filter.exactTopics {
            let numbers = self.topics.withLock { topics in
                exact.compactMap { name -> Int64? in
                    guard let index = topics.indexByName[name] else { return nil }
                    return topics.table.lastIDs[index] > cursor ? topics.table.numbers[index] : nil
                }
            }
            return numbers.count <= max ? .topics(numbers) : .many
        }
        // The columns are copied out by reference, so matching happens without the lock.
        let (names, numbers, lastIDs) = self.topics.withLock {
            ($0.table.names, $0.table.numbers, $0.table.lastIDs)
        }
        var found: [Int64] = []
        for (index, lastID) in lastIDs.enumerated()
        where lastID > cursor && filter.matches(names[index]) {
            if found.count == max { return .many }
            found.append(numbers[index])
        }
        return .topics(found)
    }

    /// The numbers of all topics that `filter` selects.
    func numbers(for filter: TopicFilter) -> [Int64] {
        if let exact = filter.exactTopics {
            return exact.compactMap { self.find($0)?.number }
        }
        let (names, numbers) = self.topics.withLock { ($0.table.names, $0.table.numbers) }
        return zip(names, numbers).compactMap { filter.matches($0) ? $1 : nil }
    }
}
