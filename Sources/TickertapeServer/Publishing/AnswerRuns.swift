import NIOCore
import TickertapeCore
import TickertapeWire

/// The answers to messages of a streaming publish that its client has not taken yet.
///
/// Pure. Ids that follow each other are kept as one: a client that sends a hundred thousand lines
/// before it reads an answer costs some thousand of these, and not megabytes of text.
struct AnswerRuns {
    private struct Run {
        let line: Int
        let id: Int64
        var count: Int
        let topic: TopicName?
        let isRepeated: Bool
        let endsTopic: Bool
    }

    private var runs = CircularBuffer<Run>()
    private var topicBytes = 0

    var isEmpty: Bool { self.runs.isEmpty }
    /// What they cost in memory, about.
    var bytes: Int { self.runs.count * MemoryLayout<Run>.stride + self.topicBytes }

    /// Adds the answer to the line that comes next.
    mutating func add(
        _ line: Int,
        id: Int64,
        topic: TopicName?,
        isRepeated: Bool,
        endsTopic: Bool
    ) {
        if let last = self.runs.last, last.line + last.count == line,
            last.id + Int64(last.count) == id, last.topic == topic,
            last.isRepeated == isRepeated, !last.endsTopic, !endsTopic
        {
            self.runs[self.runs.index(before: self.runs.endIndex)].count += 1
            return
        }
        self.topicBytes += topic?.text.utf8.count ?? 0
        self.runs.append(
            Run(
                line: line,
                id: id,
                count: 1,
                topic: topic,
                isRepeated: isRepeated,
                endsTopic: endsTopic
            )
        )
    }

    /// Takes out the first and writes them, until there are about so many bytes.
    mutating func write(into buffer: inout ByteBuffer, bytesMax: Int) {
        while buffer.readableBytes < bytesMax, let run = self.runs.first {
            self.runs.removeFirst()
            var offset = 0
            while offset < run.count, buffer.readableBytes < bytesMax {
                buffer.writeAnswerLine(
                    run.line + offset,
                    id: run.id + Int64(offset),
                    topic: run.topic,
                    isRepeated: run.isRepeated,
                    endsTopic: run.endsTopic
                )
                offset += 1
            }
            if offset < run.count {
                self.runs.prepend(
                    Run(
                        line: run.line + offset,
                        id: run.id + Int64(offset),
                        count: run.count - offset,
                        topic: run.topic,
                        isRepeated: run.isRepeated,
                        endsTopic: run.endsTopic
                    )
                )
            } else {
                self.topicBytes -= run.topic?.text.utf8.count ?? 0
            }
        }
    }
}
