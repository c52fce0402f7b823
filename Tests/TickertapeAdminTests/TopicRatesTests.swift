import Testing
import TickertapeCore
import TickertapeLog
import TickertapeTestSupport

@testable import TickertapeAdmin

/// A table of topics `t/0`, `t/1`, … with these messages in.
func table(in messagesIn: [Int64]) throws -> TopicTable {
    var table = TopicTable()
    for (index, messages) in messagesIn.enumerated() {
        table.append(
            try TopicName("t/\(index)"),
            number: Int64(index + 1),
            lastID: messages,
            messages: messages,
            bytes: messages * 10
        )
        table.messagesIn[index] = messages
        table.bytesIn[index] = messages * 10
    }
    return table
}

extension TopicTable {
    mutating func setEnd(
        _ row: Int,
        _ reason: TopicEnd.Reason,
        lastID: Int64 = 1,
        timeMilliseconds: Int64 = 1
    ) {
        let end = TopicEnd(
            topic: self.names[row],
            reason: reason,
            lastID: lastID,
            timeMilliseconds: timeMilliseconds
        )
        self.setEnd(end, row)
    }
}

struct TopicRatesTests {
    @Test("What was there at the first tick is no rate")
    func start() throws {
        var rates = TopicRates()
        rates.advance(try table(in: [1_000, 0]), seconds: 0)
        #expect(rates.messages(row: 0) == Rates())
        #expect(rates.hottest(10).isEmpty)
    }

    @Test("A steady topic comes to its rate, over 1 s sooner than over 60 s")
    func steady() throws {
        var rates = TopicRates()
        rates.advance(try table(in: [0]), seconds: 0)
        for second in 1...300 {
            rates.advance(try table(in: [Int64(second) * 50]), seconds: 1)
            if second == 3 {
                let early = rates.messages(row: 0)
                #expect(early.over1 > 45 && early.over10 < 20 && early.over60 < early.over10)
            }
        }
        let late = rates.messages(row: 0)
        #expect(abs(late.over1 - 50) < 0.1)
        #expect(abs(late.over10 - 50) < 0.1)
        #expect(abs(late.over60 - 50) < 1)
        #expect(abs(rates.bytes(row: 0).over1 - 500) < 1)
    }

    @Test("Ticks that come late do not change what is measured")
    func uneven() throws {
        var rates = TopicRates()
        rates.advance(try table(in: [0]), seconds: 0)
        var total: Int64 = 0
        for seconds in [2.0, 0.5, 3, 1, 1.5, 2, 4, 1] {
            total += Int64(seconds * 20)
            rates.advance(try table(in: [total]), seconds: seconds)
        }
        #expect(abs(rates.messages(row: 0).over1 - 20) < 1)
    }

    @Test("A topic that falls quiet comes to rest at 0, and wakes again")
    func quiet() throws {
        var rates = TopicRates()
        rates.advance(try table(in: [0, 0]), seconds: 0)
        rates.advance(try table(in: [100, 0]), seconds: 1)
        #expect(rates.hottest(10) == [0])
        for _ in 0..<2_000 { rates.advance(try table(in: [100, 0]), seconds: 1) }
        #expect(rates.hottest(10).isEmpty)
        #expect(rates.messages(row: 0) == Rates())
        rates.advance(try table(in: [100, 7]), seconds: 1)
        #expect(rates.hottest(10) == [1])
    }

    @Test("A topic that is new since the last tick has begun with nothing")
    func new() throws {
        var rates = TopicRates()
        rates.advance(try table(in: [5]), seconds: 0)
        rates.advance(try table(in: [5, 10]), seconds: 1)
        #expect(rates.messages(row: 1).over1 > 6)
        #expect(rates.messages(row: 7) == Rates(), "a row that nobody has seen yet")
    }

    @Test("A table with other rows is a new start")
    func replaced() throws {
        var rates = TopicRates()
        rates.advance(try table(in: [0, 0, 0]), seconds: 0)
        rates.advance(try table(in: [9, 9, 9]), seconds: 1)
        rates.advance(try table(in: [50]), seconds: 1)
        #expect(rates.hottest(10).isEmpty)
        rates.advance(try table(in: [60]), seconds: 1)
        #expect(rates.hottest(10) == [0])
    }

    @Test("The hottest are those with the highest rates, highest first")
    func hottest() throws {
        let seed = Seed()
        var random = seed.generator
        var rates = TopicRates()
        let counts = (0..<200).map { _ in Int64(random.int(0...1_000)) }
        rates.advance(try table(in: counts.map { _ in 0 }), seconds: 0)
        rates.advance(try table(in: counts), seconds: 1)
        let expected = counts.sorted(by: >).prefix(10)
        #expect(rates.hottest(10).map { counts[$0] } == Array(expected), "\(seed)")
    }
}
