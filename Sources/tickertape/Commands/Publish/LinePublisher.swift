import Foundation
import UnixSignals

/// What came of the lines.
struct LinesSummary: Encodable {
    let topic: String
    var published: Int64 = 0
    var firstId: Int64?
    var lastId: Int64?
    var seconds = 0.0
    /// Whether the topic has; nothing where it was not to.
    var ended: Bool?

    var sentence: String {
        let rate = self.seconds > 0 ? Double(self.published) / self.seconds : 0
        let ids = self.firstId.flatMap { first in
            self.lastId.map { ", ids \(Quantity.count(first)) to \(Quantity.count($0))" }
        }
        return "published \(Quantity.counted(self.published, "line")) to \(printable(self.topic))"
            + "\(ids ?? "") (\(Quantity.duration(seconds: self.seconds)), \(Quantity.rate(rate)))"
            + (self.ended == true ? "; the topic has ended" : "")
    }
}

/// Publishes lines in requests of all that is there: each is answered when its lines are durable,
/// so that it is always known which are.
struct LinePublisher {
    let client: AdminClient
    let topic: String
    let query: [(name: String, value: String?)]
    /// Whether the topic ends after the last line.
    let ends: Bool
    let retrySeconds: Int64

    /// - Throws: With the number of lines that were published, when not all were.
    func run(_ lines: InputLines) async throws -> LinesSummary {
        // Said before anything is read: no broker, no such topic.
        let preflight = DoorRequest(.get, ["topics", self.topic, "policy"])
        _ = try await self.client.get(preflight, as: PolicyExplanation.self)
        lines.start()
        let signals = await UnixSignalsSequence(trapping: .sigint, .sigterm)
        let watcher = Task {
            for await _ in signals {
                lines.stop()
                return true
            }
            return false
        }
        var summary = LinesSummary(topic: self.topic)
        let progress = Progress()
        defer { progress.clear() }
        let started = ContinuousClock.now
        do {
            while let block = try await lines.next() {
                try await self.publish(block, into: &summary, progress)
                summary.seconds = (ContinuousClock.now - started) / .seconds(1)
                progress.show(summary.sentence)
            }
            // Who interrupts it may want to go on later.
            if self.ends, !lines.wasStopped { try await self.publish([], into: &summary, progress) }
        } catch {
            throw Self.counted(error, summary)
        }
        summary.seconds = (ContinuousClock.now - started) / .seconds(1)
        watcher.cancel()
        guard await !watcher.value else {
            progress.clear()
            throw CommandFailure("stopped; \(summary.sentence)", .interrupted)
        }
        return summary
    }

    private static func counted(_ error: any Error, _ summary: LinesSummary) -> any Error {
        guard let failure = error as? CommandFailure else { return error }
        let count = Quantity.counted(summary.published, "line")
        return CommandFailure(
            "\(failure.sentence) (\(count) published before that)",
            failure.exitCode
        )
    }

    /// Publishes all lines of a block, through restarts of the broker; none ends the topic.
    private func publish(
        _ block: [UInt8],
        into summary: inout LinesSummary,
        _ progress: Progress
    ) async throws {
        var rest = block[...]
        var backoff = Backoff()
        let deadline = ContinuousClock.now + .seconds(self.retrySeconds)
        let isEnd = block.isEmpty
        while true {
            let outcome = try await self.attempt(rest)
            if let answer = outcome.answer {
                summary.published += answer.published
                summary.firstId = summary.firstId ?? answer.firstId
                summary.lastId = answer.lastId ?? summary.lastId
                summary.ended = answer.ended
            }
            guard let failure = outcome.failure else { return }
            guard outcome.mayRetry, ContinuousClock.now < deadline else { throw failure }
            rest = Self.dropLines(outcome.answer?.published ?? 0, from: rest)
            guard isEnd || !rest.isEmpty else { return }
            progress.show("waiting for the broker: \(failure.sentence)")
            try await Task.sleep(for: backoff.next())
        }
    }

    private struct Outcome {
        var answer: LinesAnswer?
        var failure: CommandFailure?
        var mayRetry = false
    }

    private func attempt(_ lines: ArraySlice<UInt8>) async throws -> Outcome {
        let request = DoorRequest(
            .post,
            ["topics", self.topic, "messages"],
            query: self.query + [("lines", "true"), ("end", lines.isEmpty ? "true" : nil)]
        ).payload(Array(lines)).takingLong()
        let answer: AdminClient.Answer
        do {
            answer = try await self.client.open(request).collect()
        } catch {
            guard let failure = DoorSentence.describe(error, self.client.address) as? CommandFailure
            else { throw error }
            // An end that came through is answered again as it is.
            if DoorSentence.isBeforeSending(error) || lines.isEmpty {
                return Outcome(failure: failure, mayRetry: true)
            }
            let count: Int64 = lines.reduce(0) { $0 + ($1 == UInt8(ascii: "\n") ? 1 : 0) }
            throw CommandFailure(
                "\(failure.sentence); nobody knows about the "
                    + "\(Quantity.counted(max(1, count), "line")) that were on the way",
                .refused
            )
        }
        if answer.status == 200 {
            return Outcome(
                answer: try self.client.decode(LinesAnswer.self, from: answer.body, request)
            )
        }
        let failure = DoorProblem.failure(
            status: answer.status,
            body: answer.body,
            self.client.address,
            request: request.line
        )
        guard let problem = try? DoorJSON.decoder.decode(DoorProblem.self, from: answer.body) else {
            return Outcome(failure: failure)
        }
        return Outcome(
            answer: LinesAnswer(
                published: problem.published ?? 0,
                firstId: nil,
                lastId: nil,
                ended: nil
            ),
            failure: failure,
            // What was published are the first lines: none is taken behind one that is not.
            mayRetry: problem.isPassing
        )
    }

    /// What is left behind the first lines.
    static func dropLines(_ count: Int64, from lines: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        var rest = lines
        for _ in 0..<count {
            guard let end = rest.firstIndex(of: UInt8(ascii: "\n")) else { return [] }
            rest = rest[(end + 1)...]
        }
        return rest
    }
}
