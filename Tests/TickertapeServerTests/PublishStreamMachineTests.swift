import Testing
import TickertapeCore
import TickertapeTestSupport
import TickertapeWire

@testable import TickertapeServer

struct PublishStreamMachineTests {
    private static let problem = Problem(.draining, "the broker is stopping")

    private func end(_ lastID: Int64, _ reason: TopicEnd.Reason = .ended) throws -> TopicEnd {
        TopicEnd(topic: try TopicName("a"), reason: reason, lastID: lastID, timeMilliseconds: 0)
    }

    private func numbered(_ line: Int) -> Problem {
        var problem = Self.problem
        problem.line = line
        return problem
    }

    @Test("It ends with its body, once everything is answered")
    func clean() {
        var machine = PublishStreamMachine(Limits(), endsTopic: false)
        machine.take(bytes: 10, isLast: false)
        machine.take(bytes: 10, isLast: false)
        #expect(machine.bodyEnded() == .none)
        #expect(machine.mayTake == false)
        #expect(machine.stored(end: nil) == .none)
        #expect(machine.stored(end: nil) == .finish(.clean))
        var empty = PublishStreamMachine(Limits(), endsTopic: false)
        #expect(empty.bodyEnded() == .finish(.clean))
    }

    @Test("The end of the topic follows the end of the body")
    func endOfTopic() throws {
        var machine = PublishStreamMachine(Limits(), endsTopic: true)
        machine.take(bytes: 10, isLast: false)
        #expect(machine.bodyEnded() == .publishEnd)
        #expect(machine.stored(end: nil) == .none)
        #expect(machine.ended(try self.end(7)) == .finish(.ended(try self.end(7))))
    }

    @Test("A message that ends the topic is the last that is taken")
    func lastMessage() throws {
        var machine = PublishStreamMachine(Limits(), endsTopic: true)
        machine.take(bytes: 10, isLast: true)
        #expect(machine.mayTake == false)
        #expect(machine.isLastTaken == true)
        #expect(machine.bodyEnded() == .none, "it ends but once")
        #expect(machine.fail(Self.problem) == .none)
        let end = try self.end(7)
        #expect(machine.stored(end: end) == .finish(.ended(end)))
    }

    @Test("What is wrong with a message is told when those before it are answered")
    func refusals() {
        var machine = PublishStreamMachine(Limits(), endsTopic: true)
        #expect(machine.nextNumber == 1)
        machine.take(bytes: 10, isLast: false)
        machine.take(bytes: 10, isLast: false)
        #expect(machine.refuse(Self.problem) == .none)
        #expect(machine.bodyEnded() == .none)
        #expect(machine.stored(end: nil) == .none)
        #expect(machine.stored(end: nil) == .finish(.failed(self.numbered(3))))
        var first = PublishStreamMachine(Limits(), endsTopic: false)
        #expect(first.refuse(Self.problem) == .finish(.failed(self.numbered(1))))
    }

    @Test("The first message that the log refuses ends it, whatever comes behind")
    func refusedByLog() {
        var machine = PublishStreamMachine(Limits(), endsTopic: false)
        for _ in 0..<3 { machine.take(bytes: 10, isLast: false) }
        #expect(machine.refuse(Self.problem) == .none)
        #expect(machine.stored(end: nil) == .none)
        #expect(machine.refused(Self.problem) == .finish(.failed(self.numbered(2))))
        #expect(machine.refused(Self.problem) == .none)
        #expect(machine.stored(end: nil) == .none)
    }

    @Test("A topic that somebody ends is told at once, or behind what was on its way")
    func stopped() throws {
        let end = try self.end(3, .stopped)
        var idle = PublishStreamMachine(Limits(), endsTopic: true)
        #expect(idle.topicEnded(end) == .finish(.ended(end)))
        var busy = PublishStreamMachine(Limits(), endsTopic: true)
        busy.take(bytes: 10, isLast: false)
        #expect(busy.topicEnded(end) == .none)
        #expect(busy.mayTake == false)
        #expect(busy.bodyEnded() == .none)
        #expect(busy.stored(end: nil) == .finish(.ended(end)))
        var own = PublishStreamMachine(Limits(), endsTopic: true)
        #expect(own.bodyEnded() == .publishEnd)
        #expect(own.topicEnded(end) == .none, "its own answer tells it")
        #expect(own.ended(end) == .finish(.ended(end)))
    }

    @Test("It takes no more than it may hold")
    func bounds() {
        var limits = Limits()
        limits.streamedMessagesMax = 2
        limits.streamedBytesMax = 100
        limits.streamedAnswerBytesMax = 50
        var machine = PublishStreamMachine(limits, endsTopic: false)
        machine.take(bytes: 10, isLast: false)
        #expect(machine.mayTake == true)
        machine.take(bytes: 10, isLast: false)
        #expect(machine.mayTake == false)
        _ = machine.stored(end: nil)
        #expect(machine.mayTake == true)
        machine.take(bytes: 500, isLast: false)
        _ = machine.stored(end: nil)
        #expect(machine.mayTake == false)
        _ = machine.stored(end: nil)
        machine.hold(answerBytes: 50)
        #expect(machine.mayTake == false)
        #expect(machine.isAnswerFull == true)
        machine.hold(answerBytes: 49)
        #expect(machine.mayTake == true)
    }

    @Test("Whatever happens, it finishes once, behind all answers, and holds its bounds")
    func walk() throws {
        let seed = Seed()
        var random = seed.generator
        var limits = Limits()
        limits.streamedMessagesMax = 5
        limits.streamedBytesMax = 60
        for _ in 0..<4_000 {
            let endsTopic = random.oneIn(2)
            var machine = PublishStreamMachine(limits, endsTopic: endsTopic)
            var (waiting, isLastTaken, hasEndOnItsWay, finishes) = (0, false, false, 0)
            var isRefused = false
            for _ in 0..<60 {
                let action: PublishStreamMachine.Action
                switch random.int(0...9) {
                case 0...3 where machine.mayTake:
                    #expect(waiting < 5, "\(seed)")
                    isLastTaken = random.oneIn(20)
                    machine.take(bytes: random.int(1...40), isLast: isLastTaken)
                    waiting += 1
                    action = .none
                case 4...6 where waiting > 0:
                    waiting -= 1
                    let isEnd = isLastTaken && waiting == 0
                    isRefused = random.oneIn(15)
                    action =
                        isRefused
                        ? machine.refused(Self.problem)
                        : machine.stored(end: isEnd ? try self.end(1) : nil)
                case 4...6 where hasEndOnItsWay: action = machine.ended(try self.end(1))
                case 7: action = random.oneIn(6) ? machine.bodyEnded() : .none
                case 8: action = random.oneIn(20) ? machine.refuse(Self.problem) : .none
                case 9: action = random.oneIn(20) ? machine.topicEnded(try self.end(1)) : .none
                default: action = .none
                }
                switch action {
                case .none: break
                case .publishEnd:
                    #expect(endsTopic && !isLastTaken && finishes == 0, "\(seed)")
                    hasEndOnItsWay = true
                case .finish(let ending):
                    finishes += 1
                    #expect(finishes == 1, "\(seed)")
                    #expect(isRefused || waiting == 0, "\(seed)")
                    if ending == .clean { #expect(!endsTopic && !isLastTaken, "\(seed)") }
                    #expect(machine.mayTake == false, "\(seed)")
                }
            }
        }
    }
}
