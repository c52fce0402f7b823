import NIOCore
import NIOEmbedded
import Testing
import TickertapeCore
import TickertapeTestSupport

@testable import TickertapeBroker

/// Thousands of random steps of a whole broker in memory.
///
/// `TICKERTAPE_SEED` replays a run, `TICKERTAPE_RUNS=300` makes more of them.
@Suite(.serialized)
struct SimulationTests {
    static let hardships = [
        Hardships(name: "slow sockets and late joiners"),
        Hardships(name: "two loops", loopCount: 2),
        Hardships(name: "lost connections", loopCount: 2, losesConnections: true),
        Hardships(name: "removed messages", losesConnections: true, removesMessages: true),
        Hardships(name: "deleted topics", deletesTopics: true),
        Hardships(
            name: "deleted topics and lost connections",
            loopCount: 2,
            losesConnections: true,
            deletesTopics: true
        ),
        Hardships(name: "topics that end", loopCount: 2, endsTopics: true),
        Hardships(
            name: "topics that end, and lost connections",
            losesConnections: true,
            endsTopics: true
        ),
        Hardships(
            name: "topics that end and are deleted",
            losesConnections: true,
            removesMessages: true,
            deletesTopics: true,
            endsTopics: true
        ),
        Hardships(name: "a failing log", losesConnections: true, logFails: true),
        Hardships(
            name: "everything",
            loopCount: 3,
            losesConnections: true,
            removesMessages: true,
            deletesTopics: true,
            endsTopics: true,
            logFails: true
        ),
    ]

    @Test(
        "Every subscriber gets exactly what it selects after its start, in order, once",
        arguments: hardships
    )
    func everySubscriberIsServed(hardships: Hardships) {
        for seed in Seed.several(12) {
            let simulation = Simulation(hardships, seed)
            var steps = 0
            while steps < 2_500, simulation.wrong == nil {
                simulation.step()
                steps += 1
            }
            simulation.settle()
            self.expectNothingMissing(simulation)
            self.expectSignsOfLife(simulation)
            self.expectExactCounters(simulation)
            self.expectNothingLeft(simulation)
            guard let wrong = simulation.wrong else { continue }
            Issue.record("\(wrong), after \(steps) steps of '\(hardships.name)', \(seed)")
            return
        }
    }

    private func expectNothingMissing(_ simulation: Simulation) {
        for client in simulation.clients {
            let isOpen = client.connection.map { !$0.isEnded } ?? false
            if isOpen == (simulation.log.end(of: client.filter) != nil) {
                let filter = "\(client.filter.patterns)"
                simulation.check(
                    isOpen ? "a stream of ended \(filter)" : "no connection for \(filter)"
                )
            }
            if isOpen { simulation.check(client.connection?.missing()) }
        }
        for waiter in simulation.waiters { simulation.check(waiter.missing(simulation.history)) }
        for publisher in simulation.publishers {
            simulation.check(publisher.wrong)
            if publisher.outstandingCount > 0 { simulation.check("a publish is not answered") }
        }
        for loop in simulation.loops {
            let fanout = simulation.broker.fanout(on: loop)
            guard fanout.isFollowed, fanout.delivered != simulation.history.head else { continue }
            simulation.check("a loop stands at \(fanout.delivered)")
        }
    }

    /// Two quiet intervals later each client knows the head, whatever its filter.
    private func expectSignsOfLife(_ simulation: Simulation) {
        let before = simulation.clients.map { $0.connection?.bytesWritten ?? 0 }
        for _ in 0..<40 {
            for loop in simulation.loops { loop.advanceTime(by: .milliseconds(100)) }
            for client in simulation.clients { simulation.check(client.receive(.max)) }
        }
        for (client, before) in zip(simulation.clients, before) where client.connection != nil {
            if client.connection?.bytesWritten ?? 0 <= before {
                simulation.check("no sign of life")
            }
            guard client.lastID != simulation.history.head else { continue }
            simulation.check("a client is left at \(client.lastID ?? -1) by its heartbeats")
        }
    }

    private func expectExactCounters(_ simulation: Simulation) {
        var all: [LoopStatistics] = []
        for loop in simulation.loops {
            let taken = simulation.broker.fanout(on: loop).takeStatistics()
            loop.advanceTime(by: .seconds(1))
            if let taken = try? taken.wait() { all.append(taken.statistics) }
        }
        simulation.check(simulation.ledger.difference(from: all))
        let open = simulation.clients.count { $0.connection != nil }
        if all.reduce(0, { $0 + ($1.subscribers[.eventStream] ?? 0) }) != open {
            simulation.check("\(open) streams are open, counted \(all.map(\.subscribers))")
        }
        if all.contains(where: { $0.behind != 0 }) { simulation.check("somebody is behind") }
    }

    private func expectNothingLeft(_ simulation: Simulation) {
        for client in simulation.clients { simulation.check(client.lose(after: .max)) }
        for waiter in simulation.waiters { waiter.stop() }
        for loop in simulation.loops {
            loop.advanceTime(by: .seconds(1))
            let isFollowed = simulation.broker.fanout(on: loop).isFollowed
            if isFollowed { simulation.check("a loop is followed when everybody has left") }
        }
    }
}
