import Foundation

/// Colours, where they are wanted.
struct Style: Sendable {
    enum Ink: String {
        case bold = "1"
        case dim = "2"
        case red = "31"
        case green = "32"
        case yellow = "33"
        case cyan = "36"
        case reverse = "7"
    }

    let isColoured: Bool

    static let plain = Style(isColoured: false)

    /// Colours on a terminal that can show them, unless `NO_COLOR` is set (no-color.org).
    static func forOutput(
        isTerminal: Bool,
        environment: [String: String] = ProcessInfo.processInfo.environment
    ) -> Style {
        let isUnwanted = environment["NO_COLOR"].map { !$0.isEmpty } ?? false
        return Style(isColoured: isTerminal && !isUnwanted && environment["TERM"] != "dumb")
    }

    func paint(_ text: String, _ ink: Ink?) -> String {
        guard self.isColoured, let ink, !text.isEmpty else { return text }
        return "\u{1B}[\(ink.rawValue)m\(text)\u{1B}[0m"
    }
}
