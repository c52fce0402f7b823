/// JSON (RFC 8259) as strangers send it: one meaning, or refused.
///
/// A member that stands twice is refused, since who signed the first may not be who meant the
/// second; so are text that is no UTF-8 and half surrogates. Names are compared by their bytes.
enum StrictJSON: Equatable, Sendable {
    case null
    case bool(Bool)
    /// Infinite when it is larger than any `Double`.
    case number(Double)
    case string(String)
    case array([StrictJSON])
    case object([[UInt8]: StrictJSON])

    /// How deep arrays and objects may lie in each other.
    static let levelsMax = 16

    struct Fault: Error, Equatable {
        /// What is wrong, to go behind the name of the text.
        let sentence: String
    }

    init(_ bytes: [UInt8]) throws(Fault) {
        var reader = StrictJSONReader(bytes)
        self = try reader.readDocument()
    }

    /// A member of an object; nothing when there is none of this name, or this is no object.
    subscript(_ name: String) -> StrictJSON? {
        guard case .object(let members) = self else { return nil }
        return members[Array(name.utf8)]
    }

    var isObject: Bool {
        guard case .object = self else { return false }
        return true
    }

    var text: String? {
        guard case .string(let text) = self else { return nil }
        return text
    }

    /// The texts of an array of texts; nothing when it is anything else.
    var texts: [String]? {
        guard case .array(let elements) = self else { return nil }
        let texts = elements.compactMap(\.text)
        return texts.count == elements.count ? texts : nil
    }
}
