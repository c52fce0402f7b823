import Synchronization
import TickertapeLog

/// The answers to several calls, handed over once all are there.
final class Answers: Sendable {
    private let answers: Mutex<[[AppendResult]?]>
    private let done: @Sendable ([[AppendResult]]) -> Void

    init(count: Int, done: @escaping @Sendable ([[AppendResult]]) -> Void) {
        self.answers = Mutex(Array(repeating: nil, count: count))
        self.done = done
    }

    func set(_ results: [AppendResult], at index: Int) {
        let all = self.answers.withLock { answers in
            answers[index] = results
            return answers.compactMap { $0 }.count == answers.count ? answers : nil
        }
        if let all { self.done(all.compactMap { $0 }) }
    }
}
