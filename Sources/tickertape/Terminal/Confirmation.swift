/// Asks before something is lost.
enum Confirmation {
    /// - Throws: When the answer is not yes, or there is nobody to ask.
    static func ask(_ question: String) throws {
        Output.writeError("\(question) [y/N] ")
        let answer = readLine()?.lowercased().filter { !$0.isWhitespace }
        guard answer == "y" || answer == "yes" else {
            // An end of input leaves the cursor behind the question.
            if answer == nil { Output.writeError("\n") }
            throw CommandFailure("nothing was changed")
        }
    }

    /// - Throws: When there is no terminal to ask on.
    static func demandTerminal(for what: String) throws {
        guard !Output.isInputTerminal || !Output.isErrorTerminal else { return }
        throw CommandFailure(
            "\(what) asks for confirmation, and there is no terminal; add --yes",
            .usage
        )
    }
}
