/// The name of a topic: a path such as `stocks/BRK.B` or `chat/room-1`.
///
/// A value of this type cannot hold a bad name: whoever has one need not check again.
/// Compared byte by byte, not by Unicode canonical equivalence as `String` would.
package struct TopicName: Sendable, CustomStringConvertible {
    /// The name as published, percent-decoded.
    package let text: String

    /// Checks `text` against the rules for topic names.
    ///
    /// - Throws: The first rule that is broken.
    package init(_ text: String) throws(TopicRule) {
        if let broken = TopicRule.firstBroken(by: text, in: .topic) { throw broken }
        self.text = text
    }

    /// Takes a name that was checked when it was stored.
    package init(stored text: String) {
        assert(TopicRule.firstBroken(by: text, in: .topic) == nil, "a bad topic name was stored")
        self.text = text
    }

    package var description: String { self.text }
}

extension TopicName: Hashable {
    package static func == (left: TopicName, right: TopicName) -> Bool {
        bytesAreEqual(left.text, right.text)
    }

    package func hash(into hasher: inout Hasher) {
        hashBytes(of: self.text, into: &hasher)
    }
}

/// Whether two strings have the same UTF-8 bytes.
package func bytesAreEqual(_ left: String, _ right: String) -> Bool {
    guard left.utf8.count == right.utf8.count else { return false }
    let isSame = left.utf8.withContiguousStorageIfAvailable { leftBytes in
        right.utf8.withContiguousStorageIfAvailable { rightBytes in
            leftBytes.elementsEqual(rightBytes)
        }
    }
    return (isSame ?? nil) ?? left.utf8.elementsEqual(right.utf8)
}

/// Hashes the UTF-8 bytes of `text`, in step with `bytesAreEqual`.
package func hashBytes(of text: String, into hasher: inout Hasher) {
    let hashed: Void? = text.utf8.withContiguousStorageIfAvailable {
        hasher.combine(bytes: UnsafeRawBufferPointer($0))
    }
    if hashed == nil {
        for byte in text.utf8 { hasher.combine(byte) }
    }
}
