import TickertapeCore
import TickertapeWire

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// The head of a publish that was parsed before, byte for byte but for its topic and the digits of
/// its length.
///
/// Publishers that keep their connection send the same head again and again. What equals a head
/// that the decoder has taken means the same, so it is not parsed again. The topic may be another
/// one that a path spells as it is: of such bytes a decoder can make nothing else.
struct KnownHead {
    struct Match: Equatable {
        /// Where the topic stands, when it is not that of the head that was learned.
        var topic: Range<Int>?
        let headBytes: Int
        /// The length of the body it announces.
        let bodyBytes: Int
    }

    let publish: PlainPublish
    /// Up to the topic; up to the first digit of the length where the topic may not be another.
    private let start: [UInt8]
    private let topic: [UInt8]
    /// From the end of the topic up to the first digit of the length.
    private let middle: [UInt8]
    /// Behind its last digit, the empty line included.
    private let after: [UInt8]

    /// Heads over this are parsed each time.
    private static let bytesMax = 1_024
    /// A longer length is left to the decoder.
    private static let digitsMax = 9
    private static let path = Array("/topics/".utf8)
    private static let action = Array("/messages".utf8)

    /// Learns a head that was taken, if its length stands in one place.
    ///
    /// `head` ends with the empty line.
    init?(_ head: UnsafeRawBufferPointer, publish: PlainPublish) {
        guard head.count <= Self.bytesMax, let digits = Self.lengthDigits(in: head) else {
            return nil
        }
        self.publish = publish
        let place = Self.place(of: publish.target.topic, in: head)
        let topic = place ?? digits.lowerBound..<digits.lowerBound
        self.start = Array(head[..<topic.lowerBound])
        self.topic = Array(head[topic])
        self.middle = Array(head[topic.upperBound..<digits.lowerBound])
        self.after = Array(head[digits.upperBound...])
    }

    /// Where `bytes` begin with this head.
    func match(_ bytes: UnsafeRawBufferPointer) -> Match? {
        guard bytes.has(self.start, at: 0) else { return nil }
        var index = self.start.count
        var otherTopic: Range<Int>?
        if !self.topic.isEmpty {
            guard let topic = Self.topic(in: bytes, from: index) else { return nil }
            if topic.count != self.topic.count || !bytes.has(self.topic, at: index) {
                otherTopic = topic
            }
            index = topic.upperBound
        }
        guard bytes.has(self.middle, at: index) else { return nil }
        index += self.middle.count
        let firstDigit = index
        var length = 0
        while index < bytes.count, index - firstDigit < Self.digitsMax, isDigit(bytes[index]) {
            length = length * 10 + Int(bytes[index] - UInt8(ascii: "0"))
            index += 1
        }
        guard index > firstDigit, bytes.has(self.after, at: index) else { return nil }
        let hasLeadingZero = bytes[firstDigit] == UInt8(ascii: "0") && index > firstDigit + 1
        guard !hasLeadingZero else { return nil }
        return Match(
            topic: otherTopic,
            headBytes: index + self.after.count,
            bodyBytes: length
        )
    }

    /// What a request is whose head matches; nothing when its topic is none.
    func publish(_ match: Match, in bytes: UnsafeRawBufferPointer) -> PlainPublish? {
        guard let place = match.topic else { return self.publish }
        let text = String(decoding: bytes[place], as: UTF8.self)
        guard let topic = try? TopicName(text) else { return nil }
        var publish = self.publish
        publish.target.topic = topic
        return publish
    }

    /// Where a head spells the topic that was read from it, if it does so as the topic is named.
    private static func place(
        of topic: TopicName,
        in head: UnsafeRawBufferPointer
    ) -> Range<Int>? {
        guard let space = head.firstIndex(of: UInt8(ascii: " ")), head.has(self.path, at: space + 1)
        else { return nil }
        let start = space + 1 + self.path.count
        guard let place = self.topic(in: head, from: start),
            head[place].elementsEqual(topic.text.utf8)
        else { return nil }
        return place
    }

    /// The bytes up to the last `/messages` of a path, all of which stand for themselves.
    private static func topic(in bytes: UnsafeRawBufferPointer, from start: Int) -> Range<Int>? {
        let longest = TopicRule.bytesMax + self.action.count
        var end = start
        while end < bytes.count, end - start <= longest, isUnreservedInPath(bytes[end]) { end += 1 }
        let topicEnd = end - self.action.count
        guard topicEnd > start, bytes.has(self.action, at: topicEnd) else { return nil }
        return start..<topicEnd
    }

    /// The digits of the one `Content-Length` of a head.
    private static func lengthDigits(in head: UnsafeRawBufferPointer) -> Range<Int>? {
        var found: Range<Int>?
        var lineStart = 0
        while let lineEnd = head[lineStart...].firstIndex(of: UInt8(ascii: "\n")) {
            let line = head[lineStart..<lineEnd]
            lineStart = lineEnd + 1
            guard let colon = line.firstIndex(of: UInt8(ascii: ":")),
                isSame(String(decoding: line[..<colon], as: UTF8.self), "content-length")
            else { continue }
            guard found == nil, let first = line[colon...].firstIndex(where: isDigit) else {
                return nil
            }
            let end = line[first...].firstIndex { !isDigit($0) } ?? line.endIndex
            found = first..<end
        }
        return found
    }
}

extension UnsafeRawBufferPointer {
    /// Whether these bytes stand there.
    fileprivate func has(_ bytes: [UInt8], at index: Int) -> Bool {
        guard let base = self.baseAddress, self.count - index >= bytes.count else {
            return bytes.isEmpty
        }
        return memcmp(base + index, bytes, bytes.count) == 0
    }
}

private func isDigit(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
}
