import NIOCore
import NIOEmbedded
import Testing
import TickertapeCore
import TickertapeLog
import TickertapeTestSupport

@testable import TickertapeBroker

/// What is asked of a broker by tasks that live on no event loop.
struct OutsideTests {
    /// A broker on loops that another task turns.
    private func withBroker(
        _ log: SimulatedLog,
        _ limits: Limits = Limits(),
        _ body: (Broker, [NIOAsyncTestingEventLoop]) async throws -> Void
    ) async throws {
        let loops = (0..<2).map { _ in NIOAsyncTestingEventLoop() }
        let broker = Broker(log: log, eventLoops: loops, limits: limits)
        try await body(broker, loops)
        for loop in loops { await loop.shutdownGracefully() }
    }

    private func drafts(_ count: Int) throws -> [Draft] {
        let topic = try TopicName("a")
        return (0..<count).map { Draft(topic: topic, data: "\($0)") }
    }

    @Test("A signal tells of messages and deletions since it last did, and of nothing else")
    func signal() async throws {
        let log = SimulatedLog(.immediate)
        try await self.withBroker(log) { broker, loops in
            let filter = try filter("a")
            let made = Task { await broker.signal(for: filter) }
            while !broker.fanout(on: loops[0]).isFollowed { await loops[0].run() }
            let signal = try #require(await made.value)
            // Given up by its timer, which the loop has to reach.
            let quiet = Task { await signal.wait(atMost: .milliseconds(5)) }
            let other = Draft(topic: try TopicName("b"), data: "x")
            await log.publish([other])
            #expect(await self.turn(loops[0], until: quiet) == false)
            await log.publish(try self.drafts(2))
            await loops[0].advanceTime(by: .milliseconds(1))
            #expect(await signal.wait(atMost: .hours(1)), "it came before anybody waited")
            let waiting = Task { await signal.wait(atMost: .hours(1)) }
            #expect(log.delete(try TopicName("a")))
            log.commitAndAnnounce()
            #expect(await self.turn(loops[0], until: waiting))
            let cancelled = Task { await signal.wait(atMost: .hours(1)) }
            cancelled.cancel()
            #expect(await self.turn(loops[0], until: cancelled) == false)
        }
    }

    @Test("A signal that is let go of is not watched for any more")
    func release() async throws {
        try await self.withBroker(SimulatedLog(.immediate)) { broker, loops in
            let fanout = broker.fanout(on: loops[0])
            /// The signal, which nobody else holds; it is watched for before it can be let go of.
            func make() async throws -> MessageSignal? {
                let made = Task { await broker.signal(for: try filter("a")) }
                while !fanout.isFollowed { await loops[0].run() }
                return try await made.value
            }
            var signal = try await make()
            #expect(signal != nil)
            signal = nil
            while fanout.isFollowed { await loops[0].run() }
        }
    }

    @Test("Every loop is asked for its subscriptions")
    func allLoops() async throws {
        let log = SimulatedLog(.immediate)
        try await self.withBroker(log) { broker, loops in
            for (index, loop) in loops.enumerated() {
                let fanout = broker.fanout(on: loop)
                try await loop.executeInContext {
                    for _ in 0...index {
                        let transport = RecordingTransport()
                        _ = fanout.subscribe(
                            to: try filter("a"),
                            from: .live,
                            tellsCaughtUp: false,
                            transport: transport
                        )
                    }
                }
            }
            let turning = Task {
                while !Task.isCancelled { for loop in loops { await loop.run() } }
            }
            #expect(await broker.subscribers().map(\.number).sorted() == [1, 2, 3])
            let counts = [try filter("a"): 3]
            #expect(await broker.subscriberCounts() == counts)
            let statistics = await broker.takeStatistics()
            #expect(statistics.map(\.index) == [0, 1])
            #expect(statistics.map { $0.subscribers[.eventStream] } == [1, 2])
            #expect(await !broker.disconnect(subscriber: 4))
            turning.cancel()
            await turning.value
        }
    }

    /// Lets a loop go on until a task is done.
    private func turn(_ loop: NIOAsyncTestingEventLoop, until task: Task<Bool, Never>) async -> Bool
    {
        let turning = Task {
            while !Task.isCancelled { await loop.advanceTime(by: .milliseconds(1)) }
        }
        let value = await task.value
        turning.cancel()
        await turning.value
        return value
    }
}
