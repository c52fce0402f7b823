/// How many cells of a terminal a text takes.
///
/// East Asian wide characters and emoji take two, combining marks none. Control characters are
/// expected to be gone (`printable`).
func displayWidth(of text: some StringProtocol) -> Int {
    // Most names are ASCII, and a list may have 100,000.
    if text.utf8.allSatisfy({ $0 < 0x80 }) { return text.utf8.count }
    return text.reduce(0) { $0 + displayWidth(of: $1) }
}

/// The same for one character as people count them.
func displayWidth(of character: Character) -> Int {
    guard let first = character.unicodeScalars.first else { return 0 }
    if character.unicodeScalars.contains(where: \.isWide) { return 2 }
    // U+FE0F asks for the emoji, which is wide, of what is text otherwise.
    if character.unicodeScalars.contains("\u{FE0F}"), first.properties.isEmoji { return 2 }
    switch first.properties.generalCategory {
    case .nonspacingMark, .enclosingMark, .format: return 0
    default: return 1
    }
}

extension Unicode.Scalar {
    /// Wide or fullwidth by UAX #11, in the blocks that matter.
    fileprivate var isWide: Bool {
        switch self.value {
        case 0x1100...0x115F, 0x2E80...0x303E, 0x3041...0x33FF, 0x3400...0x4DBF,
            0x4E00...0x9FFF, 0xA000...0xA4CF, 0xA960...0xA97F, 0xAC00...0xD7A3,
            0xF900...0xFAFF, 0xFE30...0xFE6F, 0xFF00...0xFF60, 0xFFE0...0xFFE6,
            0x1B000...0x1B2FF, 0x20000...0x3FFFD:
            true
        default: self.properties.isEmojiPresentation
        }
    }
}

/// Shortens a text to `width` cells, taking from its middle: names differ at both ends.
func truncated(_ text: String, to width: Int) -> String {
    guard displayWidth(of: text) > width else { return text }
    guard width > 1 else { return width == 1 ? "…" : "" }
    let headWidth = (width - 1) / 2
    let head = prefix(of: text, width: headWidth)
    let tail = prefix(of: text.reversed(), width: width - 1 - displayWidth(of: head))
    return head + "…" + String(tail.reversed())
}

/// Shortens a text to `width` cells at its end.
func clipped(_ text: String, to width: Int) -> String {
    guard displayWidth(of: text) > width else { return text }
    guard width > 1 else { return width == 1 ? "…" : "" }
    return prefix(of: text, width: width - 1) + "…"
}

private func prefix(of characters: some Sequence<Character>, width: Int) -> String {
    var taken = ""
    var left = width
    for character in characters {
        left -= displayWidth(of: character)
        if left < 0 { break }
        taken.append(character)
    }
    return taken
}
