/// A line of a screen in pieces of one colour each, cut where the screen ends.
struct ScreenLine {
    private var pieces: [(text: String, ink: Style.Ink?)] = []

    init(_ text: String = "", _ ink: Style.Ink? = nil) {
        self.add(text, ink)
    }

    mutating func add(_ text: String, _ ink: Style.Ink? = nil) {
        if !text.isEmpty { self.pieces.append((text, ink)) }
    }

    /// Moves on to a column, at least by one blank.
    mutating func pad(to column: Int) {
        self.add(String(repeating: " ", count: max(1, column - self.width)))
    }

    var width: Int { self.pieces.reduce(0) { $0 + displayWidth(of: $1.text) } }

    func text(width: Int?, _ style: Style) -> String {
        guard let width else {
            return self.pieces.map { style.paint($0.text, $0.ink) }.joined()
        }
        var line = ""
        var room = width
        for piece in self.pieces {
            let text = clipped(piece.text, to: room)
            line += style.paint(text, piece.ink)
            room -= displayWidth(of: text)
            if room <= 0 || text != piece.text { break }
        }
        return line
    }
}

/// A row of bars, one for each value: `▁▂▅▇`.
func sparkline(_ values: some Collection<Double>) -> String {
    let bars: [Character] = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"]
    guard let most = values.max(), most > 0 else {
        return String(repeating: "▁", count: values.count)
    }
    return String(
        values.map { value in
            bars[min(bars.count - 1, max(0, Int(value / most * Double(bars.count))))]
        }
    )
}
