/// What stands between the brackets of an array member, as it is: lists of 100,000 rows go through
/// page by page without being taken apart.
enum JSONMembers {
    /// - Returns: The bytes inside the brackets, or `nil` when the object has no such array.
    static func arrayContents(of name: String, in document: [UInt8]) -> ArraySlice<UInt8>? {
        let wanted = Array("\"\(name)\"".utf8)
        var depth = 0
        var index = 0
        var isValue = false
        var start: Int?
        while index < document.count {
            switch document[index] {
            case UInt8(ascii: "\""):
                let end = Self.endOfString(document[...], from: index)
                if depth == 1, !isValue, document[index..<end].elementsEqual(wanted) {
                    start = Self.startOfArray(document, after: end)
                }
                index = end
                continue
            case UInt8(ascii: ":") where depth == 1: isValue = true
            case UInt8(ascii: ",") where depth == 1: isValue = false
            case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                depth -= 1
                if depth == 1, let start { return document[start..<index] }
            default: break
            }
            index += 1
        }
        return nil
    }

    /// The elements between the brackets of an array.
    static func elements(of contents: ArraySlice<UInt8>) -> [ArraySlice<UInt8>] {
        var elements: [ArraySlice<UInt8>] = []
        var start = contents.startIndex
        var index = start
        var depth = 0
        while index < contents.endIndex {
            switch contents[index] {
            case UInt8(ascii: "\""):
                index = min(Self.endOfString(contents, from: index), contents.endIndex)
                continue
            case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"): depth -= 1
            case UInt8(ascii: ",") where depth == 0:
                elements.append(contents[start..<index])
                start = index + 1
            default: break
            }
            index += 1
        }
        if start < contents.endIndex { elements.append(contents[start...]) }
        return elements
    }

    private static func endOfString(_ document: ArraySlice<UInt8>, from quote: Int) -> Int {
        var index = quote + 1
        while index < document.endIndex, document[index] != UInt8(ascii: "\"") {
            index += document[index] == UInt8(ascii: "\\") ? 2 : 1
        }
        return min(index + 1, document.endIndex)
    }

    private static func startOfArray(_ document: [UInt8], after name: Int) -> Int? {
        let blanks: [UInt8] = Array(": \n\r\t".utf8)
        guard let bracket = document[name...].firstIndex(where: { !blanks.contains($0) }),
            document[bracket] == UInt8(ascii: "[")
        else { return nil }
        return bracket + 1
    }
}
