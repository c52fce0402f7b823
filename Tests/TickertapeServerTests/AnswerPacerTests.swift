import Testing

@testable import TickertapeServer

@Suite("When the answers of a streaming publish are written")
struct AnswerPacerTests {
    /// What becomes of answers that come one by one, until one is held back.
    private func promptCount(_ pacer: inout AnswerPacer) -> Int {
        var count = 0
        while pacer.answered(1) == .write {
            count += 1
            pacer.took()
        }
        return count
    }

    @Test("Who waits for each answer is held up rarely, and ever more so")
    func inStep() {
        var pacer = AnswerPacer()
        for expected in [16, 64, 256, 1_024, 4_096, 4_096] {
            #expect(self.promptCount(&pacer) == expected)
            pacer.released()
        }
    }

    @Test("Who goes on gets the answers of a moment together")
    func steady() {
        var pacer = AnswerPacer()
        #expect(self.promptCount(&pacer) == 16)
        pacer.took()
        pacer.released()
        for _ in 0..<3 {
            #expect(pacer.answered(1) == .hold(milliseconds: 100))
            pacer.took()
            #expect(pacer.answered(1) == .none)
            pacer.released()
        }
        // It has stopped going on: it may wait for an answer.
        #expect(pacer.answered(1) == .hold(milliseconds: 100))
        pacer.released()
        #expect(self.promptCount(&pacer) == 64)
    }

    @Test("The trial is short, and several answers of one commit count as what they are")
    func trial() {
        var pacer = AnswerPacer()
        #expect(pacer.answered(15) == .write)
        #expect(pacer.answered(15) == .write)
        #expect(pacer.answered(1) == .hold(milliseconds: 40))
    }

    @Test("Nothing that is not held back is released")
    func released() {
        var pacer = AnswerPacer()
        pacer.released()
        #expect(self.promptCount(&pacer) == 16)
    }
}
