/// A glob over topic names: `*` stands for one level, `**` at the end for one or more.
package struct TopicPattern: Sendable, CustomStringConvertible {
    private enum Level: Sendable {
        case name(String)
        case any
    }

    /// The pattern as the subscriber gave it, percent-decoded.
    package let text: String
    /// The one topic a pattern without wildcards stands for.
    package let topic: TopicName?
    private let levels: [Level]
    private let isDeep: Bool

    /// Checks `text` against the rules for patterns.
    ///
    /// - Throws: The first rule that is broken.
    package init(_ text: String) throws(TopicRule) {
        if let broken = TopicRule.firstBroken(by: text, in: .pattern) { throw broken }
        self.text = text
        guard text.utf8.contains(UInt8(ascii: "*")) else {
            self.topic = TopicName(stored: text)
            self.levels = []
            self.isDeep = false
            return
        }
        var names = text.utf8.split(separator: UInt8(ascii: "/")).map { String(Substring($0)) }
        self.isDeep = names.last == "**"
        if self.isDeep { names.removeLast() }
        self.levels = names.map { $0 == "*" ? .any : .name($0) }
        self.topic = nil
    }

    /// Whether `topic` is one of those the pattern stands for.
    package func matches(_ topic: TopicName) -> Bool {
        if let only = self.topic { return only == topic }
        var rest = topic.text.utf8[...]
        for (index, level) in self.levels.enumerated() {
            if index > 0 {
                guard rest.first == UInt8(ascii: "/") else { return false }
                rest = rest.dropFirst()
            }
            let end = rest.firstIndex(of: UInt8(ascii: "/")) ?? rest.endIndex
            switch level {
            case .any: break
            case .name(let name):
                guard rest[..<end].elementsEqual(name.utf8) else { return false }
            }
            rest = rest[end...]
        }
        guard self.isDeep else { return rest.isEmpty }
        return self.levels.isEmpty || !rest.isEmpty
    }

    package var description: String { self.text }
}

extension TopicPattern: Hashable {
    package static func == (left: TopicPattern, right: TopicPattern) -> Bool {
        bytesAreEqual(left.text, right.text)
    }

    package func hash(into hasher: inout Hasher) {
        hashBytes(of: self.text, into: &hasher)
    }
}
