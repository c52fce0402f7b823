import TickertapeCore
import TickertapeWire

/// What the fields of a publish ask besides storing it.
struct PublishTerms {
    var idempotencyKey: String?
    var condition: PublishCondition?

    var isEmpty: Bool { self.idempotencyKey == nil && self.condition == nil }
}

extension RequestHeader {
    /// - Throws: `invalid_parameter` for a condition that cannot be read.
    func publishTerms() throws(Problem) -> PublishTerms {
        PublishTerms(
            idempotencyKey: self.idempotencyKey,
            condition: try PublishCondition(ifMatch: self.ifMatch, ifNoneMatch: self.ifNoneMatch)
        )
    }
}

extension PublishCondition {
    /// What `If-Match` or `If-None-Match` ask of the topic (RFC 9110 §13.1).
    init?(ifMatch: String?, ifNoneMatch: String?) throws(Problem) {
        switch (ifMatch, ifNoneMatch) {
        case (nil, nil): return nil
        case (.some, .some):
            throw Problem(.invalidParameter, "give If-Match or If-None-Match, not both")
        case (let list?, nil):
            guard trimmed(list[...]) != "*" else {
                self = .hasMessage
                return
            }
            // Compared strongly: a weak tag equals none (RFC 9110 §8.8.3.2).
            let tags = try EntityTag.list(list, in: "If-Match")
            self = .lastIDIsOneOf(tags.compactMap { $0.isWeak ? nil : $0.id })
        case (nil, let list?):
            guard trimmed(list[...]) != "*" else {
                self = .hasNoMessage
                return
            }
            let tags = try EntityTag.list(list, in: "If-None-Match")
            self = .lastIDIsNoneOf(tags.compactMap(\.id))
        }
    }
}

/// An entity tag (RFC 9110 §8.8.3): that of a topic is its last id.
private struct EntityTag {
    let isWeak: Bool
    /// Nothing when it is the tag of no topic.
    let id: Int64?

    /// Of one condition, which waits with its message.
    private static let countMax = 64

    /// Takes `"1043", W/"1044"`; empty members count for nothing (RFC 9110 §5.6.1).
    static func list(_ text: String, in name: String) throws(Problem) -> [EntityTag] {
        var tags: [EntityTag] = []
        var rest = text.utf8[...]
        while true {
            rest = rest.drop {
                [UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: ",")].contains($0)
            }
            guard !rest.isEmpty else { break }
            let isWeak = rest.starts(with: "W/".utf8)
            if isWeak { rest = rest.dropFirst(2) }
            guard rest.first == UInt8(ascii: "\""),
                let end = rest.dropFirst().firstIndex(of: UInt8(ascii: "\""))
            else { throw Self.malformed(name) }
            let tag = rest[..<end].dropFirst()
            // No spaces, and no comma between two members means that one of them is no tag.
            guard tag.allSatisfy({ $0 == 0x21 || (0x23...0x7E).contains($0) || $0 >= 0x80 }) else {
                throw Self.malformed(name)
            }
            rest = rest[end...].dropFirst()
            let next = rest.first { $0 != UInt8(ascii: " ") && $0 != UInt8(ascii: "\t") }
            guard next == nil || next == UInt8(ascii: ",") else { throw Self.malformed(name) }
            guard tags.count < Self.countMax else {
                throw Problem(.invalidParameter, "\(name) has at most \(Self.countMax) tags")
            }
            tags.append(EntityTag(isWeak: isWeak, id: Self.id(tag)))
        }
        guard !tags.isEmpty else { throw Self.malformed(name) }
        return tags
    }

    /// Only as the broker writes it: a tag is compared letter by letter.
    private static func id(_ tag: Substring.UTF8View) -> Int64? {
        guard tag.allSatisfy({ (0x30...0x39).contains($0) }), tag.count == 1 || tag.first != 0x30
        else { return nil }
        return Int64(Substring(tag))
    }

    private static func malformed(_ name: String) -> Problem {
        Problem(.invalidParameter, "\(name) is * or a list of ids in quotes, as \"1043\"")
    }
}
