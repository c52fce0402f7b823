import Foundation
import NIOCore
import TickertapeBroker
import TickertapeCore
import TickertapeLog
import TickertapeWire

/// Publishes synthetic prices and news, as a backend would.
///
/// Safety: confined to the event loop of its server.
final class DemoFeed: @unchecked Sendable {
    private let server: LoopServer
    private var market: DemoMarket
    private var turn = 0

    /// Trades come this often; every so many of them a headline.
    private static let interval = TimeAmount.milliseconds(60)
    private static let tradesPerHeadline = 70

    init(_ server: LoopServer) {
        self.server = server
        self.market = DemoMarket(seed: UInt64(Date().timeIntervalSince1970))
    }

    func start() {
        for post in self.market.openingTrades(time: self.now) { self.publish(post) }
        self.publish(self.market.nextHeadline(time: self.now))
        self.server.fanout.eventLoop.scheduleRepeatedTask(
            initialDelay: Self.interval,
            delay: Self.interval
        ) { task in
            if self.server.isDraining {
                task.cancel()
                return
            }
            self.publishNext()
        }
    }

    private func publishNext() {
        self.turn += 1
        self.publish(self.market.nextTrade(time: self.now))
        if self.turn.isMultiple(of: Self.tradesPerHeadline) {
            self.publish(self.market.nextHeadline(time: self.now))
        }
    }

    private func publish(_ post: DemoMarket.Post) {
        guard let topic = try? TopicName(post.topic) else {
            preconditionFailure("the demo's topics are good")
        }
        let draft = Draft(topic: topic, event: post.event, key: post.key, data: post.data)
        // A price that does not fit into the queue is soon replaced by the next.
        _ = self.server.fanout.publish(draft, reply: self, number: 0)
    }

    private var now: String {
        rfc3339(milliseconds: Int64(Date().timeIntervalSince1970 * 1_000))
    }
}

extension DemoFeed: PublishReply {
    func published(_ result: AppendResult, number: Int) {}
    func publishedAll() {}
}
