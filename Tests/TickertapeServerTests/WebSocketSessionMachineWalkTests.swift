import Testing
import TickertapeTestSupport

@testable import TickertapeServer

/// What has happened to one session, for invariants.
private struct SessionNotes {
    let countMax: Int
    let bytesMax: Int
    let pingsMax: Int
    /// The bytes of each publish without an answer.
    var unanswered: [Int] = []
    var wasDrained = false
    /// A close of ours is out or the peer's has come.
    var isClosing = false
    var farewellCount = 0
    var closeFrameCount = 0
    var hasEnded = false
    var beatsSinceHeard = 0
    var pingsSinceHeard = 0

    /// - Returns: What is wrong, if something is.
    mutating func note(_ input: SessionInput, _ output: SessionOutput) -> String? {
        let before = self
        self.take(input)
        if output.writesClose { self.closeFrameCount += 1 }
        if self.closeFrameCount > 1 { return "a second close frame" }
        if output.writesClose || output == .end { self.isClosing = true }
        switch output {
        case .farewell:
            self.farewellCount += 1
            if self.farewellCount > 1 { return "two farewells" }
            if !self.unanswered.isEmpty { return "a farewell before an answer" }
            if !self.wasDrained { return "a farewell without a reason" }
            if before.isClosing { return "a farewell behind a close" }
        case .end:
            if !before.isClosing || before.hasEnded { return "an end without a close" }
        case .ping:
            self.pingsSinceHeard += 1
            if before.beatsSinceHeard == 0 { return "a ping to one who was heard" }
            if self.pingsSinceHeard > self.pingsMax { return "more pings than \(self.pingsMax)" }
            if input != .beat(.canBeHeard) || before.isClosing { return "a ping at \(input)" }
        case .drop:
            if before.pingsSinceHeard != self.pingsMax {
                return "given up after \(before.pingsSinceHeard) pings"
            }
            if input != .beat(.canBeHeard) || before.isClosing { return "given up at \(input)" }
        case .closeAndEnd, .close, .none: break
        }
        if output == .end || output == .closeAndEnd { self.hasEnded = true }
        return self.missing(input, output, before)
    }

    private mutating func take(_ input: SessionInput) {
        switch input {
        case .published(let bytes): self.unanswered.append(bytes)
        case .answered: self.unanswered.removeFirst()
        case .drain: self.wasDrained = true
        case .heard: (self.beatsSinceHeard, self.pingsSinceHeard) = (0, 0)
        case .beat(let ears):
            self.beatsSinceHeard += 1
            // Who could not be heard has all pings before him again.
            if ears == .cannotBeHeard && !self.isClosing { self.pingsSinceHeard = 0 }
        case .failed, .close, .peerClosed: break
        }
    }

    private func missing(
        _ input: SessionInput,
        _ output: SessionOutput,
        _ before: SessionNotes
    ) -> String? {
        let isFarewellDue = self.wasDrained && self.unanswered.isEmpty && !before.isClosing
        if isFarewellDue, !self.isClosing { return "no farewell" }
        let isEnd = input == .failed || input == .peerClosed
        if isEnd, !self.hasEnded { return "no end" }
        if input == .close, !self.isClosing { return "no close" }
        let isSilent = input == .beat(.canBeHeard) && before.beatsSinceHeard > 0
        if isSilent, !before.isClosing, output == .none { return "silence is not noticed" }
        return nil
    }

    func isWrong(_ machine: borrowing WebSocketSessionMachine) -> Bool {
        let isOpen = !self.isClosing && !self.wasDrained
        let hasRoom =
            self.unanswered.count < self.countMax
            && self.unanswered.reduce(0, +) < self.bytesMax
        let takesMessages = self.isClosing ? !self.hasEnded : isOpen && hasRoom
        return machine.takesCommands != isOpen || machine.isOpen == self.isClosing
            || machine.hasEnded != self.hasEnded || machine.takesMessages != takesMessages
    }
}

struct WebSocketSessionMachineWalkTests {
    /// An input that a correct shell could give now.
    private func input(
        _ notes: SessionNotes,
        _ machine: borrowing WebSocketSessionMachine,
        _ random: inout SeededGenerator
    ) -> SessionInput {
        switch random.int(0...19) {
        case 0..<6 where machine.takesMessages && machine.takesCommands:
            return .published(bytes: random.int(0...12))
        case 6..<11: return notes.unanswered.first.map { .answered(bytes: $0) } ?? .heard
        case 11 where random.oneIn(4): return .drain
        case 12 where random.oneIn(8):
            return random.pick([.failed, .close, .peerClosed])
        case 13, 14: return .heard
        default: return .beat(random.oneIn(3) ? .cannotBeHeard : .canBeHeard)
        }
    }

    @Test("No walk says goodbye twice or too early, and none gives up a peer that was not asked")
    func walk() {
        let seed = Seed()
        var random = seed.generator
        for _ in 0..<2_000 {
            let (countMax, bytesMax, pingsMax) = (
                random.int(1...4), random.int(1...30), random.int(1...3)
            )
            var machine = WebSocketSessionMachine(
                countMax: countMax,
                bytesMax: bytesMax,
                pingsMax: pingsMax
            )
            // It counts as heard when it is opened.
            var notes = SessionNotes(countMax: countMax, bytesMax: bytesMax, pingsMax: pingsMax)
            for step in 0..<random.int(5...80) {
                let input = self.input(notes, machine, &random)
                let output = input.feed(&machine)
                let wrong = notes.note(input, output)
                guard wrong != nil || notes.isWrong(machine) else { continue }
                let sentence = wrong ?? "other rights than expected"
                Issue.record("step \(step): \(input) gave \(output): \(sentence), \(seed)")
                return
            }
        }
    }
}
