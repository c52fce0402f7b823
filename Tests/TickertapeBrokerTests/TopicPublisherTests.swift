import NIOCore
import NIOEmbedded
import Testing
import TickertapeCore
import TickertapeLog
import TickertapeTestSupport

@testable import TickertapeBroker

/// What the loops do for those who publish for long, or many messages at once.
struct TopicPublisherTests {
    private final class Publisher: TopicPublisher {
        var ends: [TopicEnd] = []

        func topicEnded(_ end: TopicEnd) { self.ends.append(end) }
    }

    @Test("An end wakes a loop that nobody follows anything on, for those who publish to the topic")
    func ends() throws {
        let loop = EmbeddedEventLoop()
        let log = SimulatedLog(.stepwise)
        let broker = Broker(log: log, eventLoops: [loop], limits: Limits())
        let fanout = broker.fanout(on: loop)
        let (one, other) = (Publisher(), Publisher())
        let (topic, another) = (try TopicName("a"), try TopicName("b"))
        let end = TopicEnd(topic: topic, reason: .stopped, lastID: 7, timeMilliseconds: 0)
        // Before anybody asks.
        fanout.inbox.post(to: fanout, .ended(end))
        loop.run()
        fanout.watch(topic, for: one)
        fanout.watch(another, for: other)
        loop.run()
        #expect(one.ends.isEmpty, "it was announced before")
        fanout.inbox.post(to: fanout, .ended(end))
        loop.run()
        #expect(one.ends == [end])
        #expect(other.ends.isEmpty)
        fanout.stopWatching(topic, for: one)
        fanout.stopWatching(another, for: other)
        #expect(!fanout.isFollowed)
        fanout.inbox.post(to: fanout, .ended(end))
        loop.run()
        #expect(one.ends.count == 1)
    }

    @Test("A batch comes behind what the loop had gathered, and takes room for all of it or none")
    func batches() throws {
        let loop = EmbeddedEventLoop()
        let log = SimulatedLog(.stepwise, queueMessagesMax: 4)
        let broker = Broker(log: log, eventLoops: [loop], limits: Limits())
        let fanout = broker.fanout(on: loop)
        let reply = RecordingReply()
        let topic = try TopicName("a")
        #expect(fanout.publish(Draft(topic: topic, data: "first"), reply: reply, number: 9))
        let drafts = (0..<4).map { Draft(topic: topic, data: "\($0)") }
        #expect(!fanout.publish(batch: drafts, reply: reply))
        #expect(fanout.publish(batch: Array(drafts[..<3]), reply: reply))
        #expect(!fanout.publish(Draft(topic: topic, data: "full"), reply: reply, number: 10))
        loop.run()
        log.commitAndAnnounce()
        loop.run()
        #expect(log.messages.map(\.data) == ["first", "0", "1", "2"])
        #expect(fanout.publish(batch: drafts, reply: reply), "the room was given back")
    }
}
