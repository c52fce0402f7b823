package import NIOCore
package import TickertapeCore
package import TickertapeLog

/// Wires one log to the event loops.
///
/// In comes what the log announces, batches of its own and of others alike; out go tasks, at most
/// one a loop however much is announced. Any thread; everything with state lives in the
/// `LoopFanout` of its loop.
package final class Broker: Sendable {
    package let log: any MessageLog
    package let limits: Limits
    let fanouts: [LoopFanout]

    /// Serves the connections of `eventLoops`.
    package init(log: any MessageLog, eventLoops: [any EventLoop], limits: Limits) {
        self.log = log
        self.limits = limits
        let numbers = SubscriptionNumbers()
        let fanouts = eventLoops.map {
            LoopFanout(eventLoop: $0, log: log, limits: limits, numbers: numbers)
        }
        self.fanouts = fanouts
        log.announce { announcement in
            for fanout in fanouts { fanout.inbox.post(to: fanout, announcement) }
        }
        for fanout in fanouts {
            let interval = limits.heartbeatSeconds / Double(HeartbeatWheel.slots)
            let nanoseconds = TimeAmount.nanoseconds(Int64(interval * 1_000_000_000))
            fanout.eventLoop.scheduleRepeatedTask(
                initialDelay: nanoseconds,
                delay: nanoseconds
            ) { _ in fanout.beat() }
        }
    }

    /// The share of the broker that lives on `eventLoop`.
    package func fanout(on eventLoop: any EventLoop) -> LoopFanout {
        guard let fanout = self.fanouts.first(where: { $0.eventLoop === eventLoop }) else {
            preconditionFailure("a connection lives on a loop of the broker")
        }
        return fanout
    }

    /// Tells every subscriber to come back, and ends the streams.
    package func endSubscriptions() {
        for fanout in self.fanouts { fanout.eventLoop.execute { fanout.endAll() } }
    }
}
