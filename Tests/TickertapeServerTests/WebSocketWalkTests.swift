import Testing
import TickertapeTestSupport

@testable import TickertapeServer

/// `TICKERTAPE_SEED` replays a walk, `TICKERTAPE_RUNS=1000` makes more of them.
struct WebSocketWalkTests {
    @Test("All subscriptions of a socket that fills get everything, in order, once")
    func walk() throws {
        var fillCount = 0
        let seeds = Seed.several(60)
        for seed in seeds {
            let walk = try WebSocketWalk(seed)
            var steps = 0
            for _ in 0..<4 where walk.wrong == nil {
                for _ in 0..<100 where walk.wrong == nil {
                    try walk.step()
                    steps += 1
                }
                // What was left behind by then stays so; later steps might hide it.
                if walk.wrong == nil { try walk.settle() }
            }
            fillCount += walk.fillCount
            guard let wrong = walk.wrong else { continue }
            Issue.record("\(wrong), after \(steps) steps, \(seed)")
            return
        }
        #expect(seeds.count == 1 || fillCount > seeds.count * 10, "the walks were too easy")
    }
}
