import NIOCore
package import TickertapeCore
import TickertapeWire

extension Broker: BrokerAdministration {
    package func subscribers() async -> [SubscriberEntry] {
        var entries: [SubscriberEntry] = []
        for fanout in self.fanouts {
            let listed = await fanout.ask { $0.listSubscribers() } ?? []
            entries += listed.map { SubscriberEntry($0) }
        }
        return entries
    }

    package func disconnect(subscriber number: Int64) async -> Bool {
        for fanout in self.fanouts {
            let isDone = await fanout.ask { $0.disconnect(subscriber: number) }
            if isDone ?? false { return true }
        }
        return false
    }

    package func subscriberCounts() async -> [TopicFilter: Int] {
        var counts: [TopicFilter: Int] = [:]
        for fanout in self.fanouts {
            // Counted here, not on the loop.
            for filter in await fanout.ask({ $0.listFilters() }) ?? [] {
                counts[filter, default: 0] += 1
            }
        }
        return counts
    }

    package func takeStatistics() async -> [LoopStatistics] {
        var all: [LoopStatistics] = []
        for (index, fanout) in self.fanouts.enumerated() {
            guard let taken = await fanout.ask({ $0.takeStatistics() }) else { continue }
            var statistics = taken.statistics
            statistics.index = index
            statistics.slowest = taken.slowest.map { SubscriberEntry($0) }
            all.append(statistics)
        }
        return all
    }
}

extension LoopFanout {
    /// Asks the loop from outside; nothing when it has stopped.
    fileprivate func ask<Answer: Sendable>(
        _ question: @escaping @Sendable (LoopFanout) -> EventLoopFuture<Answer>
    ) async -> Answer? {
        try? await self.eventLoop.flatSubmit { question(self) }.get()
    }
}

extension SubscriberEntry {
    init(_ listed: ListedSubscription) {
        let name: String? =
            switch listed.format {
            case .eventStream: nil
            case .webSocket(let subscription, _): subscription.text
            }
        self.init(
            number: listed.number,
            transport: listed.format.transport,
            name: name,
            address: listed.address?.hostAndPort,
            filter: listed.filter,
            state: listed.state,
            cursor: listed.cursor,
            openedMilliseconds: listed.openedMilliseconds
        )
    }
}

extension SocketAddress {
    /// As in a URL: `127.0.0.1:4321`, `[::1]:4321`.
    fileprivate var hostAndPort: String? {
        guard let host = self.ipAddress, let port = self.port else { return nil }
        return host.utf8.contains(UInt8(ascii: ":")) ? "[\(host)]:\(port)" : "\(host):\(port)"
    }
}
