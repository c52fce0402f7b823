import Foundation
import TickertapeCore
import TickertapeLog

/// How fast each topic takes messages: exponentially weighted over 1, 10 and 60 s.
///
/// Pure. Rows are those of the `TopicTable`. Of 100,000 topics most are quiet: a tick compares two
/// columns and works only on rows that moved or have not come to rest.
struct TopicRates: Sendable {
    private struct Row {
        var messages: SIMD3<Float> = .zero
        var bytes: SIMD3<Float> = .zero
    }

    private var numbers: [Int64] = []
    private var messagesBefore: [Int64] = []
    private var bytesBefore: [Int64] = []
    private var rows: [Row] = []
    private var isActive: [Bool] = []
    /// The rows with a rate that is not 0.
    private var active: [Int32] = []

    /// Below this a rate counts as 0: one message in three hours.
    private static let least: Float = 0.0001

    /// Takes the counters of a tick.
    ///
    /// - Parameters:
    ///   - table: The topics as they are now.
    ///   - seconds: Since the tick before; 0 at the first, whose counts are the start.
    mutating func advance(_ table: TopicTable, seconds: Double) {
        guard self.follow(table), seconds > 0 else {
            self.remember(table)
            return
        }
        self.wake(table)
        let decay = SIMD3<Float>(
            Float(exp(-seconds)),
            Float(exp(-seconds / 10)),
            Float(exp(-seconds / 60))
        )
        let weight = (SIMD3<Float>(repeating: 1) - decay) / Float(seconds)
        var quiet = 0
        for (place, index) in self.active.enumerated() {
            let row = Int(index)
            let messages = Float(table.messagesIn[row] - self.messagesBefore[row])
            let bytes = Float(table.bytesIn[row] - self.bytesBefore[row])
            let rates = Row(
                messages: self.rows[row].messages * decay + weight * messages,
                bytes: self.rows[row].bytes * decay + weight * bytes
            )
            self.messagesBefore[row] = table.messagesIn[row]
            self.bytesBefore[row] = table.bytesIn[row]
            // Those that stay move up to the place of those that have come to rest.
            if rates.messages.max() < Self.least {
                self.rows[row] = Row()
                self.isActive[row] = false
                quiet += 1
            } else {
                self.rows[row] = rates
                self.active[place - quiet] = index
            }
        }
        self.active.removeLast(quiet)
    }

    /// Grows with the table.
    ///
    /// - Returns: `false` when its rows are not those of before.
    private mutating func follow(_ table: TopicTable) -> Bool {
        let known = self.numbers.count
        guard table.numbers.count >= known, table.numbers.starts(with: self.numbers) else {
            return false
        }
        guard table.numbers.count > known else { return true }
        let more = table.numbers.count - known
        self.numbers.append(contentsOf: table.numbers[known...])
        // A topic that is new since the last tick began with nothing.
        self.messagesBefore.append(contentsOf: repeatElement(0, count: more))
        self.bytesBefore.append(contentsOf: repeatElement(0, count: more))
        self.rows.append(contentsOf: repeatElement(Row(), count: more))
        self.isActive.append(contentsOf: repeatElement(false, count: more))
        return true
    }

    private mutating func remember(_ table: TopicTable) {
        self.numbers = Array(table.numbers[...])
        self.messagesBefore = Array(table.messagesIn[...])
        self.bytesBefore = Array(table.bytesIn[...])
        self.rows = Array(repeating: Row(), count: self.numbers.count)
        self.isActive = Array(repeating: false, count: self.numbers.count)
        self.active = []
    }

    /// Finds the quiet rows that took something.
    private mutating func wake(_ table: TopicTable) {
        let (before, isActive) = (self.messagesBefore, self.isActive)
        let woken = table.messagesIn.withUnsafeBufferPointer { now in
            before.withUnsafeBufferPointer { before in
                now.indices.filter { now[$0] != before[$0] && !isActive[$0] }
            }
        }
        for row in woken {
            self.isActive[row] = true
            self.active.append(Int32(row))
        }
    }

    func messages(row: Int) -> Rates {
        guard row < self.rows.count else { return Rates() }
        return Rates(self.rows[row].messages)
    }

    func bytes(row: Int) -> Rates {
        guard row < self.rows.count else { return Rates() }
        return Rates(self.rows[row].bytes)
    }

    /// What a listing is sorted by: over 10 s.
    func rate(row: Int) -> Double {
        row < self.rows.count ? Double(self.rows[row].messages[1]) : 0
    }

    /// The rows with the highest rate, at most `count`.
    func hottest(_ count: Int) -> [Int] {
        var best: [Int] = []
        for row in self.active.lazy.map({ Int($0) }) {
            let rate = self.rows[row].messages[1]
            if best.count == count, let last = best.last, self.rows[last].messages[1] >= rate {
                continue
            }
            let place = best.firstIndex { self.rows[$0].messages[1] < rate } ?? best.endIndex
            best.insert(row, at: place)
            if best.count > count { best.removeLast() }
        }
        return best
    }
}

extension Rates {
    fileprivate init(_ rates: SIMD3<Float>) {
        self.init(over1: Double(rates[0]), over10: Double(rates[1]), over60: Double(rates[2]))
    }
}
