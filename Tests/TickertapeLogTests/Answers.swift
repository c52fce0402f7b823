import Synchronization
import TickertapeLog

/// The answers to several calls, handed over once all are there.
final class Answers: Sendable {
    private let answers: Mutex<(all: [[AppendResult]], missing: Int)>
    private let done: @Sendable ([[AppendResult]]) -> Void

    init(count: Int, done: @escaping @Sendable ([[AppendResult]]) -> Void) {
        self.answers = Mutex((Array(repeating: [], count: count), count))
        self.done = done
    }

    func set(_ results: [AppendResult], at index: Int) {
        let all = self.answers.withLock { answers in
            answers.all[index] = results
            answers.missing -= 1
            return answers.missing == 0 ? answers.all : nil
        }
        if let all { self.done(all) }
    }
}
