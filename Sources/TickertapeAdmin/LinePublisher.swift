import Hummingbird
import NIOCore
import Synchronization
import TickertapeCore
import TickertapeLog
import TickertapeWire

/// Publishes every line of a body as one message, as it arrives.
///
/// Lines go to the log in groups, several of which may be on their way to the disk; when there are
/// enough of them the body is not read on, so the sender waits. They are one sequence: nothing behind
/// a line that is refused is stored. Confined to its task.
struct LinePublisher {
    let topic: TopicName
    let event: String?
    let key: String?
    /// Whether the topic ends after the last line.
    let ends: Bool
    let log: any MessageLog & LogAdministration
    let limits: Limits
    let isDraining: @Sendable () -> Bool

    /// On their way to the disk; above, the body is not read on.
    private static let unansweredMessagesMax = 8_192
    private static let unansweredBytesMax = 4_194_304
    /// Seconds to wait for room in a write queue that others fill; then 503.
    private static let queueSeconds = 10.0

    struct Report: Equatable, Sendable {
        let topic: TopicName
        var published = 0
        var firstID: Int64?
        var lastID: Int64?
        /// By this publisher, or before.
        var hasEnded = false

        var json: JSONWriter {
            var writer = JSONWriter()
            writer.object { writer in
                writer.field("topic", self.topic.text)
                writer.field("published", self.published)
                writer.field("first_id", self.firstID)
                writer.field("last_id", self.lastID)
                if self.hasEnded { writer.field("ended", true) }
            }
            return writer
        }
    }

    /// - Throws: An `AdminProblem` that says how many lines were published before it.
    func publish<Body: AsyncSequence & Sendable>(
        _ body: Body
    ) async throws -> Report where Body.Element == ByteBuffer {
        let receipts = Receipts(self.topic)
        do {
            try await self.publish(body, receipts)
        } catch {
            await receipts.waitForAll()
            var problem =
                error as? AdminProblem
                ?? AdminProblem(.badRequest, "the body broke off")
            if self.isDraining() { problem = AdminProblem(.closed) }
            problem.published = receipts.report.published
            throw problem
        }
        await receipts.waitForAll()
        if var problem = receipts.problem {
            problem.published = receipts.report.published
            throw problem
        }
        return receipts.report
    }

    private func publish<Body: AsyncSequence & Sendable>(
        _ body: Body,
        _ receipts: Receipts
    ) async throws where Body.Element == ByteBuffer {
        var lines = LineReader(bytesMax: self.limits.messageBytesMax)
        let sequence = PublishSequence()
        var lineCount = 0
        for try await bytes in body {
            var drafts: [Draft] = []
            do {
                lines.append(bytes)
                while let line = try lines.nextText() {
                    lineCount += 1
                    drafts.append(self.draft(line, sequence))
                }
            } catch {
                // What stands before the line that is refused is published.
                try await self.append(drafts, receipts)
                throw self.problem(error, line: lineCount + 1)
            }
            try await self.append(drafts, receipts)
        }
        do {
            if let last = try lines.lastText() {
                try await self.append([self.draft(last, sequence)], receipts)
            }
        } catch let failure as LineReader.Failure {
            throw self.problem(failure, line: lineCount + 1)
        }
        guard self.ends else { return }
        let end = Draft.end(self.topic, reason: .ended, sequence: sequence)
        try await self.append([end], receipts)
    }

    private func draft(_ line: String, _ sequence: PublishSequence) -> Draft {
        Draft(
            topic: self.topic,
            event: self.event,
            key: self.key,
            data: line,
            sequence: sequence
        )
    }

    private func problem(_ failure: LineReader.Failure, line: Int) -> AdminProblem {
        switch failure {
        case .tooLong:
            AdminProblem(
                .messageTooLarge,
                "line \(line) has more than \(self.limits.messageBytesMax) bytes"
            )
        case .notUTF8:
            AdminProblem(.notUTF8, "a payload is UTF-8 text, line \(line) is not")
        }
    }

    /// Hands drafts to the log, some hundreds at a time, and waits while too many are on their way.
    private func append(_ drafts: [Draft], _ receipts: Receipts) async throws {
        var group: [Draft] = []
        var bytes = 0
        for draft in drafts {
            try await self.admit(draft, &group, &bytes, receipts)
            // Of the size that loops use: the publishes of others get in between.
            if group.count >= self.limits.submissionMessagesMax
                || bytes >= self.limits.submissionBytesMax
            {
                self.submit(&group, &bytes, receipts)
            }
        }
        self.submit(&group, &bytes, receipts)
        await receipts.wait {
            $0.messages <= Self.unansweredMessagesMax && $0.bytes <= Self.unansweredBytesMax
        }
        if let problem = receipts.problem { throw problem }
        if self.isDraining() || Task.isCancelled { throw AdminProblem(.closed) }
    }

    private func admit(
        _ draft: Draft,
        _ group: inout [Draft],
        _ bytes: inout Int,
        _ receipts: Receipts
    ) async throws {
        let clock = ContinuousClock()
        let deadline = clock.now.advanced(by: .seconds(Self.queueSeconds))
        var isLast = false
        while !self.log.admit(draft, asksAgain: !isLast) {
            // What was admitted has to go before its room comes back.
            self.submit(&group, &bytes, receipts)
            await receipts.waitForAll()
            if let problem = receipts.problem { throw problem }
            guard !isLast else { throw AdminProblem.queueFull }
            try await clock.sleep(for: .milliseconds(5))
            isLast = clock.now >= deadline
        }
        group.append(draft)
        bytes += draft.bytes
    }

    private func submit(_ group: inout [Draft], _ bytes: inout Int, _ receipts: Receipts) {
        guard !group.isEmpty else { return }
        let (messages, size) = (group.count, bytes)
        receipts.handedOver(messages: messages, bytes: size)
        self.log.append(group) { results in
            receipts.answered(results, bytes: size)
        }
        group.removeAll(keepingCapacity: true)
        bytes = 0
    }
}

/// What became of the groups that were handed to the log.
///
/// Any thread: the log answers on its own, one task waits.
private final class Receipts: Sendable {
    struct Unanswered: Sendable {
        var messages = 0
        var bytes = 0
    }

    private struct State: Sendable {
        var report: LinePublisher.Report
        var problem: AdminProblem?
        var unanswered = Unanswered()
        var waiter: (isEnough: @Sendable (Unanswered) -> Bool, CheckedContinuation<Void, Never>)?

        /// Results come in the order of the lines: behind the first that is refused all are.
        mutating func note(_ result: AppendResult) {
            if case .ended = result {
                self.report.hasEnded = true
                return
            }
            do {
                let id = try result.stored().id
                self.report.published += 1
                self.report.firstID = self.report.firstID ?? id
                self.report.lastID = id
            } catch {
                guard self.problem == nil, var problem = error as? AdminProblem else { return }
                if case .refused(.messageTooLarge) = result {
                    problem.detail = "line \(self.report.published + 1): \(problem.detail)"
                }
                self.problem = problem
            }
        }
    }

    private let state: Mutex<State>

    init(_ topic: TopicName) {
        self.state = Mutex(State(report: .init(topic: topic)))
    }

    var report: LinePublisher.Report { self.state.withLock(\.report) }
    /// The first there was.
    var problem: AdminProblem? { self.state.withLock(\.problem) }

    func handedOver(messages: Int, bytes: Int) {
        self.state.withLock { state in
            state.unanswered.messages += messages
            state.unanswered.bytes += bytes
        }
    }

    func answered(_ results: [AppendResult], bytes: Int) {
        let waiter = self.state.withLock { state -> CheckedContinuation<Void, Never>? in
            for result in results { state.note(result) }
            state.unanswered.messages -= results.count
            state.unanswered.bytes -= bytes
            guard let waiter = state.waiter, waiter.isEnough(state.unanswered) else { return nil }
            state.waiter = nil
            return waiter.1
        }
        waiter?.resume()
    }

    func waitForAll() async {
        await self.wait { $0.messages == 0 }
    }

    func wait(until isEnough: @escaping @Sendable (Unanswered) -> Bool) async {
        await withCheckedContinuation { continuation in
            let isDone = self.state.withLock { state in
                precondition(state.waiter == nil, "one task waits")
                guard !isEnough(state.unanswered) else { return true }
                state.waiter = (isEnough, continuation)
                return false
            }
            if isDone { continuation.resume() }
        }
    }
}
