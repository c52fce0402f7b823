import NIOCore
import Testing
import TickertapeCore
import TickertapeLog
import TickertapeTestSupport

@testable import TickertapeBroker

struct LoopPublishingTests {
    private func draft(_ data: String) throws -> Draft {
        Draft(topic: try TopicName("a"), data: data)
    }

    @Test("The publishes of one turn reach the log as one, and are answered in order")
    func oneSubmission() throws {
        let fixture = LoopFixture()
        let (one, other) = (RecordingReply(), RecordingReply())
        #expect(fixture.fanout.publish(try self.draft("0"), reply: one, number: 7))
        #expect(fixture.fanout.publish(try self.draft("1"), reply: other, number: 3))
        #expect(fixture.fanout.publish(try self.draft("2"), reply: one, number: 8))
        #expect(fixture.log.submissionCount == 0)
        fixture.turn()
        #expect(fixture.log.submissionCount == 1)
        fixture.log.commitAndAnnounce()
        #expect(one.told.isEmpty, "answers come on the loop")
        fixture.turn()
        #expect(
            one.told.filter { $0 != .all } == [
                .result(7, .stored(id: 1)), .result(8, .stored(id: 3)),
            ]
        )
        #expect(one.told.last == .all)
        #expect(other.told == [.result(3, .stored(id: 2)), .all])
    }

    @Test("A submission at its bound does not wait for the end of the turn")
    func submissionBounds() throws {
        var limits = Limits()
        limits.submissionMessagesMax = 3
        limits.submissionBytesMax = try self.draft("").bytes * 2 + 100
        let fixture = LoopFixture(limits)
        let reply = RecordingReply()
        for number in 0..<7 {
            #expect(fixture.fanout.publish(try self.draft(""), reply: reply, number: number))
        }
        #expect(fixture.log.submissionCount == 2)
        let large = try self.draft(String(repeating: "x", count: 1_000))
        #expect(fixture.fanout.publish(large, reply: reply, number: 7))
        #expect(fixture.log.submissionCount == 3)
        fixture.turn()
        #expect(fixture.log.submissionCount == 3, "nothing is submitted twice")
        fixture.log.commitAndAnnounce()
        fixture.turn()
        let expected = (0..<8).map { RecordingReply.Told.result($0, .stored(id: Int64($0) + 1)) }
        #expect(reply.told.filter { $0 != .all } == expected)
    }

    @Test("A full queue refuses, and nobody is told later")
    func fullQueue() throws {
        let fixture = LoopFixture()
        let reply = RecordingReply()
        var taken = 0
        while fixture.fanout.publish(try self.draft(""), reply: reply, number: taken) { taken += 1 }
        #expect(taken == 65_536)
        while fixture.log.submissionCount > 0 || reply.told.isEmpty {
            fixture.turn()
            fixture.log.commitAndAnnounce()
            fixture.turn()
        }
        #expect(reply.told.count { $0 != .all } == taken)
        #expect(fixture.fanout.publish(try self.draft(""), reply: reply, number: taken))
    }

    @Test("Who is answered may publish again at once, many times over")
    func publishingFromAnswers() throws {
        let fixture = LoopFixture()
        var left = 300
        weak var again: RecordingReply?
        let reply = RecordingReply { [fanout = fixture.fanout] in
            guard left > 0, let again, let topic = try? TopicName("a") else { return }
            left -= 1
            _ = fanout.publish(Draft(topic: topic, data: ""), reply: again, number: left)
        }
        again = reply
        #expect(fixture.fanout.publish(try self.draft(""), reply: reply, number: 300))
        while fixture.log.head < 301 {
            fixture.turn()
            fixture.log.commitAndAnnounce()
        }
        fixture.turn()
        #expect(left == 0)
        #expect(reply.told.count { $0 == .all } == 301)
    }

    @Test("Who is answered may subscribe at once, while further batches come in")
    func subscribingFromAnswers() async {
        // In a process of its own: a broken order stops it.
        await #expect(processExitsWith: .success) {
            let fixture = LoopFixture()
            let transport = RecordingTransport()
            var held: Subscription?
            let reply = RecordingReply {
                // As if the writer had gone on by itself while this loop takes its inbox.
                try? fixture.announce(("a", "two"))
                held = try? fixture.subscribe(transport, to: "a", from: .after(0))
            }
            let draft = Draft(topic: try TopicName("a"), data: "one")
            precondition(fixture.fanout.publish(draft, reply: reply, number: 0))
            fixture.turn()
            fixture.log.commitAndAnnounce()
            fixture.runReading()
            try fixture.announce(("a", "three"))
            fixture.runReading()
            precondition(held?.isLive ?? false, "it has caught up")
            precondition(transport.ids == [1, 2, 3], "\(transport.ids)")
            precondition(fixture.fanout.delivered == 3)
        }
    }

    @Test("A loop that nobody follows is woken for few batches, and is up to date when asked")
    func unfollowedLoop() throws {
        let fixture = LoopFixture()
        for _ in 0..<63 { try fixture.announce(("a", "x")) }
        fixture.turn()
        #expect(fixture.fanout.delivered == 0)
        try fixture.announce(("a", "x"))
        fixture.turn()
        #expect(fixture.fanout.delivered == 64)
        for _ in 0..<3 { try fixture.announce(("a", "x")) }
        let transport = RecordingTransport()
        let subscription = try fixture.subscribe(transport, to: "a", from: .after(0))
        #expect(fixture.fanout.delivered == 67)
        fixture.runReading()
        #expect(transport.ids == Array(1...67))
        #expect(fixture.fanout.isFollowed)
        fixture.fanout.close(subscription)
        fixture.fanout.close(subscription)
        #expect(!fixture.fanout.isFollowed, "closing twice is closing once")
    }
}
