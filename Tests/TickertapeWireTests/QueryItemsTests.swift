import Testing
import TickertapeWire

struct QueryItemsTests {
    private func items(_ query: String) throws -> [[String]] {
        try QueryItems(query).items.map { [$0.name, $0.value] }
    }

    @Test(
        "A query is taken apart at ampersands and the first equals sign",
        arguments: [
            ("", []), ("a=1", [["a", "1"]]), ("a=1&b=2", [["a", "1"], ["b", "2"]]),
            ("a", [["a", ""]]), ("a=", [["a", ""]]), ("=1", [["", "1"]]), ("=", [["", ""]]),
            ("a==b=c", [["a", "=b=c"]]), ("&&a=1&&", [["a", "1"]]),
            ("a=1+2%2B3&b+c=%26%3D", [["a", "1 2+3"], ["b c", "&="]]),
            ("a=1&a=2", [["a", "1"], ["a", "2"]]), ("topic=b/*", [["topic", "b/*"]]),
            ("a=1;b=2", [["a", "1;b=2"]]), ("%61fter=7", [["after", "7"]]),
        ] as [(String, [[String]])]
    )
    func items(query: String, expected: [[String]]) throws {
        #expect(try self.items(query) == expected)
    }

    @Test("Separators count as bytes, whatever combining mark follows them")
    func separatorsAreBytes() throws {
        #expect(try self.items("a=1&\u{301}b=2") == [["a", "1"], ["\u{301}b", "2"]])
        #expect(try self.items("a=\u{301}") == [["a", "\u{301}"]])
    }

    @Test(
        "Bad encoding in a name or a value refuses the query",
        arguments: [
            ("a=%", PercentCodingError.badEscape), ("%zz=1", .badEscape), ("a=1&b=%4", .badEscape),
            ("a=%FF", .notUTF8), ("%C3=1", .notUTF8),
        ]
    )
    func badEncoding(query: String, error: PercentCodingError) {
        #expect(throws: error) { try QueryItems(query) }
    }

    @Test("A parameter that may stand once is refused when it stands twice")
    func single() throws {
        let items = try QueryItems("a=1&b=2&a=3&c=")
        #expect(items.all("a") == ["1", "3"])
        #expect(items.all("d") == [])
        #expect(try items.single("b") == "2")
        #expect(try items.single("c") == "")
        #expect(try items.single("d") == nil)
        let problem = #expect(throws: Problem.self) { try items.single("a") }
        #expect(problem?.code == .repeatedParameter)
        #expect(problem?.detail.contains("'a'") == true)
    }
}
