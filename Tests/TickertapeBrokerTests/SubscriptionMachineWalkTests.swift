import Testing
import TickertapeBroker
import TickertapeTestSupport

/// What a subscription is, told once more and more simply: for comparison.
private struct SubscriptionModel {
    enum Phase { case starting, reading, full, live, closed }

    var phase = Phase.starting
    var cursor: Int64 = 0
    var isFull = false

    mutating func feed(_ input: MachineInput) -> MachineOutput {
        switch (input, self.phase) {
        case (.close, let phase):
            self.phase = .closed
            return phase == .live ? .leaveLive : .none
        case (_, .closed): return .none
        case (.opened(let cursor, let delivered), _):
            self.cursor = cursor
            if self.isFull {
                self.phase = .full
                return .none
            }
            self.phase = cursor < delivered ? .reading : .live
            return cursor < delivered ? .readPage : .joinLive
        case (.page(let through, let delivered, let socket), _):
            self.cursor = through
            if socket == .full || self.isFull {
                (self.phase, self.isFull) = (.full, true)
                return .none
            }
            if through < delivered { return .readPage }
            self.phase = .live
            return .joinLive
        case (.delivered(let through, let socket), _):
            self.cursor = max(self.cursor, through)
            guard socket == .full else { return .none }
            (self.phase, self.isFull) = (.full, true)
            return .leaveLive
        case (.fellBehind, _):
            self.phase = .reading
            return .leaveLiveAndReadPage
        case (.socketFilled, .starting), (.socketFilled, .reading), (.socketFilled, .full):
            self.isFull = true
            return .none
        case (.socketFilled, .live):
            (self.phase, self.isFull) = (.full, true)
            return .leaveLive
        case (.socketDrained, let phase):
            self.isFull = false
            if phase == .full { self.phase = .reading }
            return phase == .full ? .readPage : .none
        case (.heartbeat(let passed, let told), .live):
            guard let passed, passed > told else { return .writeComment }
            self.cursor = max(self.cursor, passed)
            return .writeCursor(passed)
        case (.heartbeat, _): return self.isFull ? .none : .writeComment
        }
    }
}

struct SubscriptionMachineWalkTests {
    /// An input that a correct shell could give now.
    private func input(
        _ model: SubscriptionModel,
        _ delivered: Int64,
        _ random: inout SeededGenerator
    ) -> MachineInput {
        let ahead = Int64(random.int(0...3))
        switch random.int(0...9) {
        case 0: return .socketFilled
        case 1...2: return .socketDrained
        case 3:
            let passed = random.oneIn(2) ? delivered : nil
            return .heartbeat(passed: passed, told: model.cursor - Int64(random.int(0...2)))
        case 4 where random.oneIn(20): return .close
        default: break
        }
        switch model.phase {
        case .starting: return .opened(max(0, delivered - 5 + ahead * 2), delivered)
        case .reading:
            let through = model.cursor + ahead
            return .page(through, delivered, random.oneIn(4) ? .full : .free)
        case .live where random.oneIn(3): return .fellBehind
        case .live: return .delivered(delivered, random.oneIn(4) ? .full : .free)
        case .full, .closed: return random.oneIn(2) ? .socketDrained : .socketFilled
        }
    }

    @Test("No walk joins live behind the tail or with a full socket, or takes a cursor back")
    func walk() {
        let seed = Seed()
        var random = seed.generator
        var machine = SubscriptionMachine()
        var model = SubscriptionModel()
        var delivered: Int64 = 10
        var isLive = false
        for step in 0..<100_000 {
            if model.phase == .closed, random.oneIn(4) {
                machine = SubscriptionMachine()
                model = SubscriptionModel()
                isLive = false
            }
            delivered += Int64(random.int(0...2))
            let input = self.input(model, delivered, &random)
            let (cursorBefore, wasLive) = (machine.cursor, isLive)
            let wasFull = model.isFull
            let output = input.feed(&machine)
            let expected = model.feed(input)
            let cursor = machine.cursor
            isLive = output.isLive(before: wasLive)
            var isGood = output == expected && isLive == (model.phase == .live)
            switch output {
            case .joinLive:
                isGood = isGood && !wasFull && !wasLive && cursor ?? -1 >= delivered
            case .leaveLive, .leaveLiveAndReadPage: isGood = isGood && wasLive
            case .readPage: isGood = isGood && !wasLive
            case .writeCursor, .writeComment, .none: break
            }
            if let cursorBefore, let cursor { isGood = isGood && cursor >= cursorBefore }
            let hasCursor = model.phase != .starting && model.phase != .closed
            isGood = isGood && cursor == (hasCursor ? model.cursor : nil)
            guard !isGood else { continue }
            Issue.record("step \(step): \(input) gave \(output), expected \(expected), \(seed)")
            return
        }
    }
}
