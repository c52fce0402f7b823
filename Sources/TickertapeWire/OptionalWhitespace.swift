extension Substring.UTF8View {
    /// Without the spaces and tabs around it (OWS, RFC 9110 §5.6.3).
    package var trimmingOptionalWhitespace: Substring.UTF8View {
        let isSpace = { (byte: UInt8) in byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }
        guard let last = self.lastIndex(where: { !isSpace($0) }) else { return self[endIndex...] }
        return self[...last].drop(while: isSpace)
    }
}

/// `text` without the spaces and tabs around it.
package func trimmed(_ text: Substring) -> Substring {
    Substring(text.utf8.trimmingOptionalWhitespace)
}
