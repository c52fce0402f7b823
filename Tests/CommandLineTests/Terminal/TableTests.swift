import Testing

@testable import tickertape

struct TableTests {
    private let columns: [Table.Column] = [
        .init(title: "TOPIC", isShrinkable: true),
        .init(title: "MESSAGES", alignment: .right),
        .init(title: "POLICY", isOptional: true),
    ]

    private func table(width: Int?) -> Table {
        Table(columns: self.columns, width: width, style: .plain)
    }

    @Test("Names are to the left, numbers to the right, and no line ends with blanks")
    func alignment() {
        var table = self.table(width: nil)
        #expect(
            table.lines(of: [["a/b", "12,154", "**"], ["東京", "5", ""]]) == [
                "TOPIC  MESSAGES  POLICY",
                "a/b      12,154  **",
                "東京          5",
            ]
        )
    }

    @Test("The second page has no header and keeps the columns of the first")
    func pages() {
        var table = self.table(width: nil)
        _ = table.lines(of: [["a/long/name", "1", "**"]])
        #expect(table.lines(of: [["b", "2", "**"]]) == ["b                   2  **"])
    }

    @Test("Where the window is narrow, a column is left out, then names lose their middle")
    func narrow() {
        let rows = [["stocks/a-very-long-symbol", "7", "stocks/**"]]
        var wide = self.table(width: 46)
        #expect(wide.lines(of: rows)[1] == "stocks/a-very-long-symbol         7  stocks/**")
        var shrunk = self.table(width: 40)
        #expect(shrunk.lines(of: rows)[1] == "stocks/a-…ng-symbol         7  stocks/**")
        var narrow = self.table(width: 24)
        #expect(narrow.lines(of: rows)[1] == "stocks…-symbol         7")
    }

    @Test(
        "No line is wider than the window, as long as there is room for anything",
        arguments: 22...80
    )
    func fits(width: Int) {
        var table = self.table(width: width)
        let rows = [["株式/東京/very/long/topic/name", "12,154", "株式/**"], ["b", "1", "**"]]
        for line in table.lines(of: rows) { #expect(displayWidth(of: line) <= width, "\(line)") }
    }

    @Test("A name keeps its width while columns of less worth are there", arguments: 20...120)
    func worth(width: Int) {
        let policies = [
            PolicyRow(
                pattern: "stocks/exchanges/*",
                maxAgeSeconds: 86_400,
                maxMessages: 10_000,
                description: "what the desk in the other building asked for last year"
            )
        ]
        let lines = policies.tableLines(width: width, .plain)
        let first = lines[1].prefix { $0 != " " }
        let titles = lines[0].split(separator: " ")
        #expect(first.count >= 16 || titles == ["PATTERN", "MAX", "AGE"], "\(lines[0])")
        for line in lines { #expect(displayWidth(of: line) <= width, "\(line)") }
    }

    @Test("Colours come with a terminal, and never with NO_COLOR")
    func colours() {
        let plain = Style.forOutput(isTerminal: false, environment: [:])
        let coloured = Style.forOutput(isTerminal: true, environment: ["TERM": "xterm"])
        let unwanted = Style.forOutput(isTerminal: true, environment: ["NO_COLOR": "1"])
        let dumb = Style.forOutput(isTerminal: true, environment: ["TERM": "dumb"])
        #expect(plain.paint("x", .red) == "x")
        #expect(coloured.paint("x", .red) == "\u{1B}[31mx\u{1B}[0m")
        #expect(unwanted.paint("x", .red) == "x")
        #expect(dumb.paint("x", .red) == "x")
        #expect(Style.forOutput(isTerminal: true, environment: ["NO_COLOR": ""]).isColoured)
    }

    @Test("Bars are as high as their values")
    func bars() {
        #expect(sparkline([0, 1, 2, 4, 7, 8]) == "▁▂▃▅██")
        #expect(sparkline([0, 0]) == "▁▁")
        #expect(sparkline([]) == "")
    }
}
