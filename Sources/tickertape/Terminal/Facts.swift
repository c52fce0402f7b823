import Foundation

/// Names and what they are, one a line, below a title.
struct Facts {
    let title: String
    private var facts: [(name: String, value: String)] = []

    init(title: String) {
        self.title = title
    }

    mutating func add(_ name: String, _ value: String) { self.facts.append((name, value)) }

    func lines(_ style: Style) -> [String] {
        let width = self.facts.map { $0.name.count }.max() ?? 0
        let lines = self.facts.map { fact in
            let padding = String(repeating: " ", count: width - fact.name.count)
            return "  \(style.paint(fact.name, .dim))\(padding)  \(fact.value)"
        }
        return [style.paint(printable(self.title), .bold)] + lines
    }
}

extension Output {
    /// A document of the door as it is, with the end of a line.
    static func write(document: Data) throws {
        var bytes = Array(document)
        while bytes.last == UInt8(ascii: "\n") { bytes.removeLast() }
        try Self.write(bytes + [UInt8(ascii: "\n")])
    }

    static func write(document: some Encodable) throws {
        try Self.write(document: try DoorJSON.encoder.encode(document))
    }
}
