import Metrics
import Synchronization

/// A number that only grows.
///
/// Any thread.
final class CounterCell: CounterHandler {
    private let value = Atomic<Int64>(0)

    func increment(by amount: Int64) { self.value.wrappingAdd(amount, ordering: .relaxed) }
    func reset() { self.value.store(0, ordering: .relaxed) }

    var current: Int64 { self.value.load(ordering: .relaxed) }
}

/// A number that goes up and down, as a gauge and as a meter.
///
/// Any thread.
final class GaugeCell: RecorderHandler, MeterHandler {
    private let bits = Atomic<UInt64>(0)

    func record(_ value: Int64) { self.set(Double(value)) }
    func record(_ value: Double) { self.set(value) }
    func set(_ value: Int64) { self.set(Double(value)) }
    func set(_ value: Double) { self.bits.store(value.bitPattern, ordering: .relaxed) }
    func increment(by amount: Double) { add(amount, to: self.bits) }
    func decrement(by amount: Double) { add(-amount, to: self.bits) }

    var current: Double { Double(bitPattern: self.bits.load(ordering: .relaxed)) }
}

/// How often values fell into each of a few ranges, and their sum.
///
/// Any thread. What is read while others record is a moment apart at most, and never less than
/// what was read before.
///
/// Safety: the cells are made once, changed as atomics only, and freed with the histogram.
final class HistogramCell: RecorderHandler, TimerHandler, @unchecked Sendable {
    let bounds: [Double]
    private let limits: UnsafeMutablePointer<Double>
    /// One for each bound and one for what is above them all.
    private let counts: UnsafeMutablePointer<Atomic<Int64>>
    private let sum = Atomic<UInt64>(0)

    init(bounds: [Double]) {
        self.bounds = bounds
        self.limits = .allocate(capacity: max(1, bounds.count))
        self.counts = .allocate(capacity: bounds.count + 1)
        for (index, bound) in bounds.enumerated() { (self.limits + index).initialize(to: bound) }
        for index in 0...bounds.count { (self.counts + index).initialize(to: Atomic(0)) }
    }

    deinit {
        self.counts.deinitialize(count: self.bounds.count + 1)
        self.counts.deallocate()
        self.limits.deallocate()
    }

    func record(_ value: Int64) { self.record(Double(value)) }

    func record(_ value: Double) {
        var index = 0
        while index < self.bounds.count && value > self.limits[index] { index += 1 }
        self.counts[index].wrappingAdd(1, ordering: .relaxed)
        add(value, to: self.sum)
    }

    func recordNanoseconds(_ duration: Int64) { self.record(Double(duration) / 1_000_000_000) }

    /// How many fell into each range, and what they add up to.
    var current: (counts: [Int64], sum: Double) {
        let counts = (0...self.bounds.count).map { self.counts[$0].load(ordering: .relaxed) }
        return (counts, Double(bitPattern: self.sum.load(ordering: .relaxed)))
    }
}

/// What nobody keeps.
final class IgnoredCell: CounterHandler, RecorderHandler, TimerHandler, MeterHandler {
    func increment(by: Int64) {}
    func increment(by: Double) {}
    func decrement(by: Double) {}
    func reset() {}
    func record(_ value: Int64) {}
    func record(_ value: Double) {}
    func recordNanoseconds(_ duration: Int64) {}
    func set(_ value: Int64) {}
    func set(_ value: Double) {}
}

/// Adds to the number whose bits an atomic holds.
@inline(__always)
private func add(_ amount: Double, to bits: borrowing Atomic<UInt64>) {
    var before = bits.load(ordering: .relaxed)
    while true {
        let after = (Double(bitPattern: before) + amount).bitPattern
        let (isExchanged, original) = bits.weakCompareExchange(
            expected: before,
            desired: after,
            ordering: .relaxed
        )
        if isExchanged { return }
        before = original
    }
}
