import Testing
import TickertapeTestSupport

@testable import tickertape

struct EventBlocksTests {
    private let stream = """
        :

        event: message
        id: 5
        data: {"id":5}

        event:caught_up\r
        id:7\r
        data:{"id":7}\r
        \r
        id: 8

        data: one
        data: two

        : comment
        event: lost
        data: no end
        """

    private var expected: [EventBlock] {
        [
            EventBlock(id: "5", event: "message", data: Array(#"{"id":5}"#.utf8)),
            EventBlock(id: "7", event: "caught_up", data: Array(#"{"id":7}"#.utf8)),
            EventBlock(id: "8"),
            EventBlock(data: Array("one\ntwo".utf8)),
        ]
    }

    @Test("A stream is the same events however it is cut", arguments: [1, 2, 3, 7, 1_000])
    func cuts(size: Int) throws {
        var blocks = EventBlocks()
        var events: [EventBlock] = []
        var rest = Array(self.stream.utf8)[...]
        while !rest.isEmpty {
            events += try blocks.append(rest.prefix(size))
            rest = rest.dropFirst(size)
        }
        #expect(events == self.expected)
    }
}

struct JSONMembersTests {
    @Test("The contents of an array are taken out as they are")
    func contents() {
        let document =
            #"{"a":"topics","n":{"topics":[0]},"topics" : [ {"t":"]\""},[1] ],"next":null}"#
        let contents = JSONMembers.arrayContents(of: "topics", in: Array(document.utf8))
        #expect(contents.map { String(decoding: $0, as: UTF8.self) } == #" {"t":"]\""},[1] "#)
    }

    @Test(
        "Elements are taken apart at their commas alone",
        arguments: [
            ("", []), ("1", ["1"]),
            (#"{"a":[1,2]},"x,\"y",[{},3]"#, [#"{"a":[1,2]}"#, #""x,\"y""#, "[{},3]"]),
        ] as [(String, [String])]
    )
    func elements(contents: String, elements: [String]) {
        let found = JSONMembers.elements(of: Array(contents.utf8)[...])
        #expect(found.map { String(decoding: $0, as: UTF8.self) } == elements)
    }

    @Test(
        "What has no such array has no contents",
        arguments: [
            "", "{", #"{"topics":null}"#, #"{"topics":{"topics":[1]}}"#, #"["topics",[1]]"#,
            #"{"topics":[1"#, #"{"x":"topics"}"#,
        ]
    )
    func none(document: String) {
        #expect(JSONMembers.arrayContents(of: "topics", in: Array(document.utf8)) == nil)
    }
}
