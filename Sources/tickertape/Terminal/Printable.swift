import TickertapeCore

/// The text on one line and without power over a terminal.
///
/// A message could otherwise move the cursor, set the title of the window or, with the marks that
/// turn the direction of writing, show something else than it says.
func printable(_ text: String) -> String {
    guard text.unicodeScalars.contains(where: \.isUnsafe) else { return text }
    var escaped = ""
    for scalar in text.unicodeScalars {
        switch scalar {
        case "\n": escaped += "\\n"
        case "\r": escaped += "\\r"
        case "\t": escaped += "\\t"
        case _ where scalar.isUnsafe:
            escaped += "\\u{" + String(scalar.value, radix: 16) + "}"
        default: escaped.unicodeScalars.append(scalar)
        }
    }
    return escaped
}

/// The text as one word of a command line, in quotes where a shell would take it apart.
func shellWord(_ text: String) -> String {
    let isPlain = text.wholeMatch(of: /[A-Za-z0-9_.\/:@%+=,-]+/) != nil
    return isPlain ? text : "'\(text.replacing("'", with: "'\\''"))'"
}

extension Unicode.Scalar {
    fileprivate var isUnsafe: Bool {
        if self.isControl { return true }
        switch self.value {
        case 0x061C, 0x200E...0x200F, 0x2028...0x202E, 0x2066...0x2069, 0xFEFF: return true
        default: return false
        }
    }
}
