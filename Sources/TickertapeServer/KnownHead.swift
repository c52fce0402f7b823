import TickertapeCore

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// The head of a publish that was parsed before, byte for byte but for the digits of its length.
///
/// Publishers that keep their connection send the same head again and again. What equals a head
/// that the decoder has taken means the same, so it is not parsed again.
struct KnownHead {
    let publish: PlainPublish
    /// Up to the first digit of the length.
    private let before: [UInt8]
    /// Behind its last digit, the empty line included.
    private let after: [UInt8]

    /// Heads over this are parsed each time.
    private static let bytesMax = 1_024
    /// A longer length is left to the decoder.
    private static let digitsMax = 9

    /// Learns a head that was taken, if its length stands in one place.
    ///
    /// `head` ends with the empty line.
    init?(_ head: UnsafeRawBufferPointer, publish: PlainPublish) {
        guard head.count <= Self.bytesMax, let digits = Self.lengthDigits(in: head) else {
            return nil
        }
        self.publish = publish
        self.before = Array(head[..<digits.lowerBound])
        self.after = Array(head[digits.upperBound...])
    }

    /// Where `bytes` begin with this head: its size and the length of the body it announces.
    func match(_ bytes: UnsafeRawBufferPointer) -> (headBytes: Int, bodyBytes: Int)? {
        guard let start = bytes.baseAddress, bytes.count > self.before.count + self.after.count,
            memcmp(start, self.before, self.before.count) == 0
        else { return nil }
        var index = self.before.count
        var length = 0
        while index < bytes.count, index - self.before.count < Self.digitsMax,
            isDigit(bytes[index])
        {
            length = length * 10 + Int(bytes[index] - UInt8(ascii: "0"))
            index += 1
        }
        let hasLeadingZero =
            bytes[self.before.count] == UInt8(ascii: "0") && index > self.before.count + 1
        guard index > self.before.count, !hasLeadingZero,
            bytes.count - index >= self.after.count,
            memcmp(start + index, self.after, self.after.count) == 0
        else { return nil }
        return (index + self.after.count, length)
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

private func isDigit(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
}
