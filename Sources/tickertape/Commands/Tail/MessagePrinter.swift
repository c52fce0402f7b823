import Foundation

/// A message as it stands in a line, for people or for programs.
struct MessagePrinter: Sendable {
    private struct Shown: Decodable {
        let id: Int64
        let topic: String
        let time: String
        let event: String?
        let key: String?
        let data: String
    }

    let isJSON: Bool
    let style: Style

    /// - Throws: When the message is not what this tool knows.
    func line(for message: [UInt8]) throws -> [UInt8] {
        if self.isJSON { return message + [UInt8(ascii: "\n")] }
        guard let shown = try? DoorJSON.decoder.decode(Shown.self, from: Data(message)) else {
            throw CommandFailure(
                "the broker sends a message in a form that this tool does not know"
            )
        }
        return Array((self.line(of: shown) + "\n").utf8)
    }

    private func line(of message: Shown) -> String {
        var parts = [
            self.style.paint("\(message.id)", .dim),
            self.style.paint(printable(message.time), .dim),
            self.style.paint(printable(message.topic), .cyan),
        ]
        if let event = message.event { parts.append(self.style.paint(printable(event), .yellow)) }
        if let key = message.key { parts.append(self.style.paint("[\(printable(key))]", .green)) }
        parts.append(printable(message.data))
        return parts.joined(separator: "  ")
    }
}
