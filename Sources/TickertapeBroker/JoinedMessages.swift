import TickertapeCore

extension ArraySlice<Message> {
    /// Takes the messages that begin it and can be told as one: alike but for their data, which
    /// comes to `bytesMax` bytes at most.
    ///
    /// - Returns: One message with the data of all, and the id and time of the last; nothing when
    ///   there is none left.
    mutating func popJoined(bytesMax: Int) -> Message? {
        guard var last = self.first else { return nil }
        var bytes = last.data.utf8.count
        var end = self.startIndex + 1
        while end < self.endIndex, self[end].continues(last) {
            bytes += self[end].data.utf8.count
            if bytes > bytesMax { break }
            last = self[end]
            end += 1
        }
        let joined = self[self.startIndex..<end]
        self = self[end...]
        guard joined.count > 1 else { return last }
        var data = ""
        data.reserveCapacity(Swift.min(bytes, bytesMax))
        for message in joined { data += message.data }
        return Message(
            id: last.id,
            topic: last.topic,
            timeMilliseconds: last.timeMilliseconds,
            event: last.event,
            key: last.key,
            data: data
        )
    }
}

extension Message {
    /// Whether a reader who puts data together makes of the joined message what it would make of
    /// both.
    ///
    /// CR and LF side by side are one line end on an event stream, and were two.
    fileprivate func continues(_ other: Message) -> Bool {
        self.topic == other.topic && self.event == other.event && self.key == other.key
            && !(other.data.utf8.last == 0x0D && self.data.utf8.first == 0x0A)
    }
}
