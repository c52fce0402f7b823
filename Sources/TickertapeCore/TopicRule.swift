/// The rules for topic names and patterns, each one a way to break them.
package enum TopicRule: Error, Equatable, Sendable {
    case empty
    case tooLong(bytes: Int)
    case tooManyLevels(Int)
    case emptyLevel
    case dotLevel(String)
    case controlCharacter(UInt32)
    case wildcardInTopic
    case wildcardInsideLevel(String)
    case deepWildcardNotLast

    package static let bytesMax = 255
    package static let levelsMax = 16

    /// What a name is checked for.
    package enum Use: Sendable { case topic, pattern }

    /// The rule in words, for the `detail` of a problem.
    package var sentence: String {
        switch self {
        case .empty: "a name must not be empty"
        case .tooLong(let bytes): "a name has at most \(Self.bytesMax) bytes, this one has \(bytes)"
        case .tooManyLevels(let count):
            "a name has at most \(Self.levelsMax) levels, this one has \(count)"
        case .emptyLevel: "a level must not be empty: no '/' at the start or end, no '//'"
        case .dotLevel(let level): "a level must not be '\(level)'"
        case .controlCharacter(let scalar):
            "a name must not have control characters, this one has U+\(hexadecimal(scalar))"
        case .wildcardInTopic: "'*' stands in patterns only, not in the name of a topic"
        case .wildcardInsideLevel(let level):
            "'*' and '**' stand for whole levels, '\(level)' is neither a wildcard nor a name"
        case .deepWildcardNotLast: "'**' may only be the last level"
        }
    }

    /// The first rule that `text` breaks, or nothing when it is good.
    package static func firstBroken(by text: String, in use: Use) -> TopicRule? {
        let utf8 = text.utf8
        if utf8.isEmpty { return .empty }
        if utf8.count > Self.bytesMax { return .tooLong(bytes: utf8.count) }
        for scalar in text.unicodeScalars where scalar.isControl {
            return .controlCharacter(scalar.value)
        }
        let levels = utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        if levels.count > Self.levelsMax { return .tooManyLevels(levels.count) }
        for (index, level) in levels.enumerated() {
            if level.isEmpty { return .emptyLevel }
            if level.elementsEqual(".".utf8) || level.elementsEqual("..".utf8) {
                return .dotLevel(String(Substring(level)))
            }
            guard level.contains(UInt8(ascii: "*")) else { continue }
            if use == .topic { return .wildcardInTopic }
            if level.elementsEqual("*".utf8) { continue }
            guard level.elementsEqual("**".utf8) else {
                return .wildcardInsideLevel(String(Substring(level)))
            }
            if index != levels.count - 1 { return .deepWildcardNotLast }
        }
        return nil
    }
}

extension Unicode.Scalar {
    /// Whether this is one of the C0 or C1 control characters or DEL.
    package var isControl: Bool {
        self.value < 0x20 || (0x7F...0x9F).contains(self.value)
    }
}

private func hexadecimal(_ value: UInt32) -> String {
    let digits = String(value, radix: 16, uppercase: true)
    return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
}
