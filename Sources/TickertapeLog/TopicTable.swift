package import TickertapeCore

/// Every topic of a log, a row each, as columns of one length.
///
/// Deleted topics have a row too.
package struct TopicTable: Sendable {
    package var names: [TopicName] = []
    package var numbers: [Int64] = []
    /// 0 when the topic never had a message.
    package var lastIDs: [Int64] = []
    /// Messages in the log.
    package var messageCounts: [Int64] = []
    /// Their payload.
    package var byteCounts: [Int64] = []
    /// Messages appended since the broker started.
    package var messagesIn: [Int64] = []
    /// Their payload.
    package var bytesIn: [Int64] = []
    /// A topic that has ended or was deleted has a mark.
    private var marks: [EndMark?] = []
    /// Topics that have ended and were not deleted.
    package private(set) var endedCount = 0
    /// Topics that were deleted and not created again.
    package private(set) var deletedCount = 0

    /// All of an end but the name of its topic: a column without references is copied at once.
    private struct EndMark {
        let reason: TopicEnd.Reason
        let lastID: Int64
        let timeMilliseconds: Int64
    }

    package init() {}

    /// Appends a topic that takes messages.
    package mutating func append(
        _ name: TopicName,
        number: Int64,
        lastID: Int64 = 0,
        messages: Int64 = 0,
        bytes: Int64 = 0
    ) {
        self.names.append(name)
        self.numbers.append(number)
        self.lastIDs.append(lastID)
        self.messageCounts.append(messages)
        self.byteCounts.append(bytes)
        self.messagesIn.append(0)
        self.bytesIn.append(0)
        self.marks.append(nil)
    }

    /// Stands for a topic that was deleted and not created again.
    package func isDeleted(_ row: Int) -> Bool {
        self.deletedCount > 0 && self.marks[row]?.reason == .deleted
    }

    /// Without having been deleted.
    package func hasEnded(_ row: Int) -> Bool {
        guard self.endedCount > 0, let mark = self.marks[row] else { return false }
        return mark.reason != .deleted
    }

    /// How the topic has ended or was deleted.
    package func end(_ row: Int) -> TopicEnd? {
        self.marks[row].map { mark in
            TopicEnd(
                topic: self.names[row],
                reason: mark.reason,
                lastID: mark.lastID,
                timeMilliseconds: mark.timeMilliseconds
            )
        }
    }

    /// Notes that the topic has ended or was deleted, or that it takes messages again.
    package mutating func setEnd(_ end: TopicEnd?, _ row: Int) {
        self.count(self.marks[row], -1)
        self.marks[row] = end.map { end in
            EndMark(
                reason: end.reason,
                lastID: end.lastID,
                timeMilliseconds: end.timeMilliseconds
            )
        }
        self.count(self.marks[row], 1)
    }

    private mutating func count(_ mark: EndMark?, _ change: Int) {
        switch mark?.reason {
        case nil: break
        case .deleted: self.deletedCount += change
        case .ended, .stopped: self.endedCount += change
        }
    }
}
