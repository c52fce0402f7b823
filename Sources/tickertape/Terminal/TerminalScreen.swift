import Foundation
import Synchronization

/// The whole terminal, for as long as it is wanted; then everything is as it was.
///
/// Any thread.
final class TerminalScreen: Sendable {
    private static let enterSequence = "\u{1B}[?1049h\u{1B}[?25l\u{1B}[2J"
    private static let leaveSequence = "\u{1B}[?25h\u{1B}[?1049l"

    /// The settings before, while the screen is ours.
    private let before = Mutex<termios?>(nil)
    private let isOurs = Mutex(false)

    /// The other screen, without a cursor; keys come one by one and are not shown.
    func enter() throws {
        self.isOurs.withLock { $0 = true }
        self.takeKeys()
        try Output.write(Self.enterSequence)
    }

    /// Puts everything back; a second time it does nothing.
    func leave() {
        let wasOurs = self.isOurs.withLock { isOurs in
            defer { isOurs = false }
            return isOurs
        }
        guard wasOurs else { return }
        self.before.withLock { before in
            guard var settings = before else { return }
            tcsetattr(STDIN_FILENO, TCSANOW, &settings)
            before = nil
        }
        try? Output.write(Self.leaveSequence)
    }

    /// Draws over what is there, in one write, so that nothing flickers.
    func draw(_ lines: [String]) throws {
        let body = lines.map { "\($0)\u{1B}[K" }.joined(separator: "\n")
        try Output.write("\u{1B}[H\(body)\u{1B}[J")
    }

    private func takeKeys() {
        self.before.withLock { before in
            var settings = termios()
            guard tcgetattr(STDIN_FILENO, &settings) == 0 else { return }
            if before == nil { before = settings }
            settings.c_lflag &= ~tcflag_t(ICANON | ECHO)
            withUnsafeMutableBytes(of: &settings.c_cc) { keys in
                keys[Int(VMIN)] = 1
                keys[Int(VTIME)] = 0
                // Ctrl-Z would leave the shell on our screen.
                keys[Int(VSUSP)] = 0
            }
            tcsetattr(STDIN_FILENO, TCSANOW, &settings)
        }
    }

    /// The keys without the sequences that arrows and the like send (ECMA-48 §5.4).
    static func keys(in bytes: [UInt8]) -> [Character] {
        var keys: [Character] = []
        var rest = bytes[...]
        while let byte = rest.popFirst() {
            guard byte == 0x1B else {
                keys.append(Character(Unicode.Scalar(byte)))
                continue
            }
            switch rest.popFirst() {
            case UInt8(ascii: "["): rest = rest.drop { !(0x40...0x7E).contains($0) }.dropFirst()
            case UInt8(ascii: "O"): rest = rest.dropFirst()
            default: break
            }
        }
        return keys
    }

    /// Calls back with each key; one that sends a sequence, such as an arrow, counts for nothing.
    static func readKeys(_ pressed: @escaping @Sendable (Character) -> Void) {
        guard Output.isInputTerminal else { return }
        let thread = Thread {
            while true {
                var bytes: [UInt8] = []
                guard let count = try? InputFile.read(STDIN_FILENO, upTo: 64, into: &bytes),
                    count > 0
                else { return }
                for key in Self.keys(in: bytes) { pressed(key) }
            }
        }
        thread.name = "tt-keys"
        thread.start()
    }
}
