import Foundation

/// The blocks of a PEM text (RFC 7468); what stands around them is for people.
struct PEMText {
    struct Block {
        let label: String
        let bytes: [UInt8]

        /// As a text of its own.
        var text: String {
            let base64 = Data(self.bytes).base64EncodedString(options: [
                .lineLength64Characters, .endLineWithLineFeed,
            ])
            return "-----BEGIN \(self.label)-----\n\(base64)\n-----END \(self.label)-----\n"
        }
    }

    let blocks: [Block]

    static let mark = "-----BEGIN "

    init(_ text: String) throws(KeyFileError) {
        var blocks: [Block] = []
        var open: (label: String, base64: String)?
        for line in text.split(whereSeparator: \.isNewline) {
            let line = line.trimmingCharacters(in: .whitespaces)
            if let (label, base64) = open {
                if line == "-----END \(label)-----" {
                    guard let bytes = Data(base64Encoded: base64), !bytes.isEmpty else {
                        throw KeyFileError("its block \(label) is no base64")
                    }
                    blocks.append(Block(label: label, bytes: Array(bytes)))
                    open = nil
                } else {
                    // What is no base64, such as two blocks in one line, is found at the end.
                    open = (label, base64 + line.filter { !$0.isWhitespace })
                }
            } else if line.hasPrefix(Self.mark), line.hasSuffix("-----"),
                line.utf8.count > Self.mark.utf8.count + 5
            {
                open = (String(line.dropFirst(Self.mark.count).dropLast(5)), "")
            }
        }
        if let open { throw KeyFileError("its block \(open.label) has no end") }
        self.blocks = blocks
    }
}
