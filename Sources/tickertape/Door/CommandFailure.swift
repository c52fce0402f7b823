/// Why a command ends without having done its work: a sentence, and a code that scripts can trust.
struct CommandFailure: Error {
    enum ExitCode: Int32 {
        /// The broker refused, or something failed.
        case refused = 1
        /// No broker is there, or it cannot be reached.
        case unreachable = 2
        /// What was named does not exist.
        case missing = 3
        /// The command line makes no sense; the same as the parser's own.
        case usage = 64
        /// Ended by Ctrl-C before all was done.
        case interrupted = 130
    }

    let sentence: String
    let exitCode: ExitCode

    init(_ sentence: String, _ exitCode: ExitCode = .refused) {
        self.sentence = sentence
        self.exitCode = exitCode
    }
}
