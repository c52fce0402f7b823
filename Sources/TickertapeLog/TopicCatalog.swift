import Synchronization
import TickertapeCore

/// Every topic of the log, in memory: its number and its last message.
///
/// Any thread. The writer adds topics once they are committed.
final class TopicCatalog: Sendable {
    /// Columns, so that a reader's copy of one costs the writer little when it next changes it.
    private struct Topics {
        var names: [TopicName] = []
        var numbers: [Int64] = []
        /// 0 when the topic has no message.
        var lastIDs: [Int64] = []
        var indexByName: [TopicName: Int] = [:]
        var indexByNumber: [Int64: Int] = [:]
    }

    private let topics = Mutex(Topics())

    func add(_ name: TopicName, number: Int64, lastID: Int64) {
        self.topics.withLock { topics in
            let index = topics.names.count
            topics.names.append(name)
            topics.numbers.append(number)
            topics.lastIDs.append(lastID)
            topics.indexByName[name] = index
            topics.indexByNumber[number] = index
        }
    }

    func number(of name: TopicName) -> Int64? {
        self.topics.withLock { topics in
            topics.indexByName[name].map { topics.numbers[$0] }
        }
    }

    func name(of number: Int64) -> TopicName? {
        self.topics.withLock { topics in
            topics.indexByNumber[number].map { topics.names[$0] }
        }
    }

    /// Notes what a transaction appended: the last id of each topic it touched.
    func advance(_ lastIDs: [Int64: Int64]) {
        self.topics.withLock { topics in
            for (number, id) in lastIDs {
                guard let index = topics.indexByNumber[number] else {
                    preconditionFailure("a message was committed to a topic nobody added")
                }
                assert(topics.lastIDs[index] < id, "ids strictly increase")
                topics.lastIDs[index] = id
            }
        }
    }

    /// What a reader has to look at for a filter after a cursor.
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
                    return topics.lastIDs[index] > cursor ? topics.numbers[index] : nil
                }
            }
            return numbers.count <= max ? .topics(numbers) : .many
        }
        // The columns are copied out by reference, so matching happens without the lock.
        let (names, numbers, lastIDs) = self.topics.withLock {
            ($0.names, $0.numbers, $0.lastIDs)
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
            return exact.compactMap { self.number(of: $0) }
        }
        let (names, numbers) = self.topics.withLock { ($0.names, $0.numbers) }
        return zip(names, numbers).compactMap { filter.matches($0) ? $1 : nil }
    }
}
