/// Rows in aligned columns, printed page by page: a long list never stands in memory as a whole.
struct Table {
    struct Column {
        enum Alignment { case left, right }

        var title: String
        var alignment = Alignment.left
        /// Where the window is too narrow, this one gives way first.
        var isShrinkable = false
        /// The next to give way: left out.
        var isOptional = false
        var ink: Style.Ink?
    }

    /// Below, other columns give way first.
    private static let shrunkWidthMin = 16
    private static let leastWidth = 4
    private static let gap = "  "

    let columns: [Column]
    /// The cells of a line; no limit where it does not go to a terminal.
    let width: Int?
    let style: Style

    private var widths: [Int]
    private var shown: [Int]
    private var hasHeader = false

    init(columns: [Column], width: Int?, style: Style) {
        self.columns = columns
        self.width = width
        self.style = style
        self.widths = columns.map { displayWidth(of: $0.title) }
        self.shown = Array(columns.indices)
    }

    /// The lines of one more page, the header before the first.
    mutating func lines(of rows: [[String]]) -> [String] {
        for row in rows {
            assert(row.count == self.columns.count, "a row has a cell for each column")
            for (index, cell) in row.enumerated() {
                self.widths[index] = max(self.widths[index], displayWidth(of: cell))
            }
        }
        self.fit()
        var lines: [String] = []
        if !self.hasHeader {
            self.hasHeader = true
            lines.append(self.line(self.columns.map(\.title), ink: { _ in .dim }))
        }
        for row in rows { lines.append(self.line(row, ink: { self.columns[$0].ink })) }
        return lines
    }

    /// Leaves columns out, then narrows names, until a line fits.
    private mutating func fit() {
        guard let width = self.width else { return }
        // What is not shown gives no room.
        func shrinkable() -> [Int] { self.shown.filter { self.columns[$0].isShrinkable } }
        func give() -> Int {
            shrinkable().reduce(0) { $0 + max(0, self.widths[$1] - Self.shrunkWidthMin) }
        }
        while self.used - give() > width,
            let last = self.shown.last(where: { self.columns[$0].isOptional })
        {
            self.shown.removeAll { $0 == last }
        }
        while self.used > width,
            let widest = shrinkable().max(by: { self.widths[$0] < self.widths[$1] }),
            self.widths[widest] > Self.leastWidth
        {
            self.widths[widest] = max(
                Self.leastWidth,
                self.widths[widest] - (self.used - width)
            )
        }
    }

    private var used: Int {
        self.shown.map { self.widths[$0] }.reduce(0, +)
            + Self.gap.utf8.count * (self.shown.count - 1)
    }

    private func line(_ cells: [String], ink: (Int) -> Style.Ink?) -> String {
        var line = ""
        for index in self.shown {
            if !line.isEmpty { line += Self.gap }
            let text = truncated(cells[index], to: self.widths[index])
            let room = self.widths[index] - displayWidth(of: text)
            let padding = String(repeating: " ", count: max(0, room))
            let painted = self.style.paint(text, ink(index))
            switch self.columns[index].alignment {
            case .right: line += padding + painted
            case .left: line += painted + padding
            }
        }
        while line.last == " " { line.removeLast() }
        return line
    }
}
