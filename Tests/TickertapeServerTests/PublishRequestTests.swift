import NIOCore
import NIOHTTP1
import Testing
import TickertapeCore
import TickertapeTestSupport

@testable import TickertapeServer

/// What the request machine makes of publishes that end, have conditions, or are many.
struct PublishRequestTests {
    private func steps(
        _ target: String,
        _ fields: [(String, String)],
        _ pieces: [String],
        limits: Limits = Limits()
    ) throws -> [String] {
        var machine = try openMachine(limits)
        var steps = [described(machine.received(.head(head(.POST, target, fields))))]
        for piece in pieces {
            steps.append(described(machine.received(.body(ByteBuffer(string: piece)))))
        }
        steps.append(described(machine.received(.end(nil))))
        #expect(machine.isIdle)
        return steps
    }

    private static let chunked = ("Transfer-Encoding", "chunked")
    private static let lines = ("Content-Type", "application/x-ndjson")

    @Test("An end and a condition travel with the message")
    func terms() throws {
        let target = "/topics/a/messages?end=true"
        #expect(
            try self.steps(target, [Self.chunked, ("If-Match", "\"7\"")], ["x"])
                == ["more", "more", "publish a 'x' end if lastIDIsOneOf([7])"]
        )
        let bad = try self.steps(
            "/topics/a/messages",
            [("Content-Length", "1"), ("If-Match", "7")],
            ["x"]
        )
        #expect(bad == ["400 invalid_parameter", "more", "more"])
    }

    @Test("A plain end may take the short way, a condition or a stream may not")
    func shortWay() throws {
        let length = ("Content-Length", "1")
        for (target, fields, isPlain) in [
            ("/topics/a/messages?end=true", [length], true),
            ("/topics/a/messages", [length, ("If-Match", "*")], false),
            ("/topics/a/messages", [length, ("If-None-Match", "*")], false),
            ("/topics/a/messages", [length, Self.lines], false),
        ] {
            var machine = try openMachine()
            // A head that was plain before does not make this one so.
            _ = machine.received(.head(head(.POST, "/topics/a/messages", [length])))
            _ = machine.received(.end(nil))
            _ = machine.received(.head(head(.POST, target, fields)))
            #expect((machine.lastHead?.plainPublish != nil) == isPlain, "\(fields)")
        }
    }

    @Test("The body of a stream is passed on as it comes")
    func stream() throws {
        let fields = [
            Self.chunked, Self.lines, ("Idempotency-Key", "k"), ("Expect", "100-continue"),
        ]
        #expect(
            try self.steps("/topics/a/messages?key=x", fields, ["one", "two"]) == [
                "stream a lines key=x once=k continue", "streamed 'one'", "streamed 'two'",
                "stream ended",
            ]
        )
    }

    @Test("A batch is taken apart when it is whole, or refused with the line that is wrong")
    func batch() throws {
        let fields = [Self.chunked, Self.lines]
        let target = "/messages?atomic=true"
        let good = try self.steps(
            target,
            fields,
            ["{\"topic\":\"a\",\"data\":\"1\"}\n\n{\"topic\":", "\"b\",\"data\":\"2\"}"]
        )
        #expect(good.last == "batch a '1', b '2'")
        #expect(try self.steps(target, fields, ["{\"data\":\"1\"}"]).last == "400 invalid_body")
        #expect(try self.steps(target, fields, []).last == "400 invalid_body")
        var limits = Limits()
        limits.atomicMessagesMax = 1
        limits.atomicBytesMax = 60
        let line = "{\"topic\":\"a\",\"data\":\"1\"}\n"
        #expect(
            try self.steps(target, fields, [line, line], limits: limits).last
                == "413 batch_too_large"
        )
        #expect(
            try self.steps(target, fields, [line + line + line], limits: limits)
                == ["more", "413 batch_too_large close", "more"]
        )
        let length = ("Content-Length", "61")
        #expect(
            try self.steps(target, [length, Self.lines], [], limits: limits).first
                == "413 batch_too_large"
        )
    }

    @Test("Answers that were not taken are kept as runs and written piece by piece")
    func runs() throws {
        var runs = AnswerRuns()
        let topic = try TopicName("a")
        for line in 1...10_000 {
            // Somebody else has published in between, once.
            let id = Int64(line) + (line > 5_000 ? 1 : 0)
            runs.add(line, id: id, topic: nil, isRepeated: false, endsTopic: false)
        }
        #expect(runs.bytes < 200)
        var text = ""
        while !runs.isEmpty {
            var piece = ByteBuffer()
            runs.write(into: &piece, bytesMax: 100)
            #expect(piece.readableBytes < 140)
            text += String(buffer: piece)
        }
        let expected = (1...10_000).map {
            "{\"line\":\($0),\"id\":\($0 > 5_000 ? $0 + 1 : $0)}\n"
        }
        #expect(text == expected.joined())
        #expect(runs.bytes == 0)
        runs.add(1, id: 1, topic: topic, isRepeated: true, endsTopic: false)
        runs.add(2, id: 2, topic: topic, isRepeated: false, endsTopic: true)
        var lines = ByteBuffer()
        runs.write(into: &lines, bytesMax: 1_000)
        #expect(
            String(buffer: lines) == """
                {"line":1,"id":1,"topic":"a","repeated":true}
                {"line":2,"id":2,"topic":"a","ended":true}

                """
        )
        #expect(runs.isEmpty && runs.bytes == 0)
    }
}
