import Foundation
package import NIOCore

/// The JSON body of `POST /events`: `{"topics":["a","b/*"],"after":1040,"tail":5}`.
package struct SubscribeBody: Decodable, Sendable {
    package let topics: [String]
    /// A number, or the digits of one in a string; anything else is kept as it came.
    package let after: String?
    package let tail: Int?
    package let tellsCaughtUp: Bool
    /// What to join on replay, as it came.
    package let coalesce: String?

    private enum Field: String, CodingKey, CaseIterable {
        case topics, after, tail, coalesce
        case caughtUp = "caught_up"
    }

    package init(from decoder: any Decoder) throws {
        for name in try decoder.container(keyedBy: AnyField.self).allKeys
        where Field(rawValue: name.stringValue) == nil {
            throw Problem(.unknownParameter, "the body has no field '\(name.stringValue)'")
        }
        let fields = try decoder.container(keyedBy: Field.self)
        self.topics = try fields.decode([String].self, forKey: .topics)
        self.tail = try fields.decodeIfPresent(Int.self, forKey: .tail)
        self.tellsCaughtUp = try fields.decodeIfPresent(Bool.self, forKey: .caughtUp) ?? false
        self.coalesce = try fields.decodeIfPresent(String.self, forKey: .coalesce)
        if let number = try? fields.decodeIfPresent(Int64.self, forKey: .after) {
            self.after = String(number)
        } else if (try? fields.decodeIfPresent(UInt64.self, forKey: .after)) != nil {
            // Ahead of every log, as the same digits in a string are.
            self.after = String(Int64.max)
        } else {
            self.after = try fields.decodeIfPresent(String.self, forKey: .after)
        }
    }

    /// - Throws: `invalid_body` or `unknown_parameter`, saying what is wrong.
    package static func decode(_ buffer: ByteBuffer) throws(Problem) -> SubscribeBody {
        do {
            return try JSONDecoder().decode(Self.self, from: Data(buffer.readableBytesView))
        } catch let problem as Problem {
            throw problem
        } catch let DecodingError.keyNotFound(key, _) {
            throw Problem(.invalidBody, "the body has no '\(key.stringValue)'")
        } catch let DecodingError.typeMismatch(_, context) {
            let path = context.codingPath.map(\.stringValue).joined(separator: ".")
            throw Problem(.invalidBody, "'\(path)' has the wrong type; see docs/protocol.md")
        } catch {
            throw Problem(.invalidBody, "the body is not a JSON object with 'topics'")
        }
    }
}

/// Any name of an object, to find those that nobody knows.
struct AnyField: CodingKey {
    let stringValue: String
    let intValue: Int? = nil
    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { return nil }
}
