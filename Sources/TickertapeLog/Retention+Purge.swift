import TickertapeCore

/// What operators remove: gone at once for everybody, and freed by and by.
extension Retention {
    /// Messages of a topic, as a purge finds them.
    struct Standing {
        let purgedThrough: Int64
        let lastID: Int64
        let messages: Int64
        let bytes: Int64
    }

    /// A purge that is in the open transaction.
    struct Purge {
        let number: Int64
        let through: Int64
        let messages: Int64
        let bytes: Int64
    }

    /// A deletion of a topic with everything in it.
    struct Deletion {
        let purge: Purge
        let end: TopicEnd
    }

    func standing(of number: Int64) -> Standing {
        let index = self.index(of: number)
        return Standing(
            purgedThrough: self.books[index].purgedThrough,
            lastID: self.books[index].lastID,
            messages: self.machine.messages(index),
            bytes: self.machine.bytes(index)
        )
    }

    /// Nothing is removed from the topic until it is released, so that it can be counted.
    mutating func hold(_ number: Int64) {
        self.machine.hold(self.index(of: number))
    }

    mutating func release(_ number: Int64) {
        self.machine.release(self.index(of: number), atMilliseconds: wallClockMilliseconds())
    }

    /// Notes in the open transaction that so much of a topic is gone.
    func write(_ purge: Purge) throws(SQLiteFailure) {
        let index = self.index(of: purge.number)
        try self.records.note(
            purge.number,
            purgedThrough: purge.through,
            counted: self.books[index].countedThrough,
            TopicRecords.Count(
                messages: max(0, self.machine.messages(index) - purge.messages),
                bytes: max(0, self.machine.bytes(index) - purge.bytes),
                through: self.books[index].lastID
            )
        )
    }

    /// That transaction was committed.
    mutating func take(_ purge: Purge) {
        let index = self.index(of: purge.number)
        self.machine.purged(index, messages: purge.messages, bytes: purge.bytes)
        self.books[index].purgedThrough = purge.through
        self.noteCounted(index, self.books[index].lastID)
        self.shared.catalog.purge(purge.number, through: purge.through)
        self.shared.catalog.lower(
            purge.number,
            toMessages: self.machine.messages(index),
            bytes: self.machine.bytes(index)
        )
    }

    /// Notes in the open transaction that a topic is deleted with everything in it.
    func write(_ purge: Purge, _ end: TopicEnd) throws(SQLiteFailure) {
        try self.write(purge)
        try self.records.end(purge.number, end)
    }

    /// That transaction was committed.
    mutating func take(_ deletion: Deletion) {
        self.shared.catalog.setEnd(deletion.end, deletion.purge.number)
        self.reopened(deletion.purge.number)
        self.take(deletion.purge)
    }

    /// A topic is not to be deleted for having ended.
    mutating func reopened(_ number: Int64) {
        self.machine.reopened(self.index(of: number))
    }

    /// Writes the counts of some topics whose rows lack messages, in the open transaction.
    ///
    /// - Returns: `false` when there is none left.
    mutating func countAll(most: Int) throws(SQLiteFailure) -> Bool {
        var left = most
        while left > 0, let index = self.dirty.popLast() {
            self.books[index].isDirty = false
            guard self.books[index].uncounted > 0 else { continue }
            left -= 1
            try self.writeCount(index, nil)
        }
        return left < most
    }

    func index(of number: Int64) -> Int {
        guard let index = self.indexByNumber[number] else {
            preconditionFailure("topic \(number) was never added")
        }
        return index
    }
}
