import Metrics
import NIOCore
import Testing

@testable import TickertapeAdmin

struct TextMetricsTests {
    private func lines(_ metrics: TextMetrics) -> [String] {
        String(buffer: metrics.text()).split(separator: "\n").map(String.init)
    }

    private let metrics = TextMetrics(families: [
        MetricFamily(name: "a_total", kind: .counter, help: "Some a."),
        MetricFamily(name: "b", kind: .gauge, help: "Some b."),
        MetricFamily(
            name: "c_seconds",
            kind: .histogram,
            help: "Some c.",
            bounds: [0.001, 1, 2.5]
        ),
    ])

    @Test("A family that nobody has recorded to is not there")
    func empty() {
        #expect(self.lines(self.metrics) == [])
    }

    @Test("Counters have one line for each set of labels, under one HELP and one TYPE")
    func counters() {
        self.metrics.makeCounter(label: "a_total", dimensions: [("x", "2")]).increment(by: 5)
        self.metrics.makeCounter(label: "a_total", dimensions: [("x", "1")]).increment(by: 3)
        self.metrics.makeCounter(label: "a_total", dimensions: [("x", "2")]).increment(by: 1)
        #expect(
            self.lines(self.metrics) == [
                "# HELP a_total Some a.", "# TYPE a_total counter", "a_total{x=\"1\"} 3",
                "a_total{x=\"2\"} 6",
            ]
        )
    }

    @Test("A gauge is what it was set to last, as a gauge and as a meter")
    func gauges() {
        self.metrics.makeRecorder(label: "b", dimensions: [], aggregate: false).record(Int64(7))
        #expect(self.lines(self.metrics).last == "b 7")
        let meter = self.metrics.makeMeter(label: "b", dimensions: [])
        meter.set(1.25)
        meter.increment(by: 0.5)
        meter.decrement(by: 1)
        #expect(self.lines(self.metrics).last == "b 0.75")
        meter.set(-.infinity)
        #expect(self.lines(self.metrics).last == "b -Inf")
    }

    @Test("A histogram counts up to each bound, the bound included")
    func histograms() {
        let timer = self.metrics.makeTimer(label: "c_seconds", dimensions: [("l", "0")])
        for nanoseconds: Int64 in [500_000, 1_000_000, 1_000_001, 2_500_000_000, 9_000_000_000] {
            timer.recordNanoseconds(nanoseconds)
        }
        #expect(
            self.lines(self.metrics) == [
                "# HELP c_seconds Some c.", "# TYPE c_seconds histogram",
                "c_seconds_bucket{l=\"0\",le=\"0.001\"} 2", "c_seconds_bucket{l=\"0\",le=\"1\"} 3",
                "c_seconds_bucket{l=\"0\",le=\"2.5\"} 4", "c_seconds_bucket{l=\"0\",le=\"+Inf\"} 5",
                "c_seconds_sum{l=\"0\"} 11.502500001", "c_seconds_count{l=\"0\"} 5",
            ]
        )
    }

    @Test("The value of a label may have any character")
    func labels() {
        let dimensions = [("x", "a\"b\\c\nd\u{e9}")]
        self.metrics.makeCounter(label: "a_total", dimensions: dimensions).increment(by: 1)
        #expect(self.lines(self.metrics).last == "a_total{x=\"a\\\"b\\\\c\\nd\u{e9}\"} 1")
    }

    @Test("Two kinds under one name would be no exposition: the second is kept by nobody")
    func kinds() {
        self.metrics.makeCounter(label: "a_total", dimensions: []).increment(by: 1)
        self.metrics.makeTimer(label: "a_total", dimensions: []).recordNanoseconds(1)
        self.metrics.makeMeter(label: "a_total", dimensions: [("x", "y")]).set(3.0)
        #expect(self.lines(self.metrics).count == 3)
    }

    @Test("Series have a bound")
    func bound() {
        for index in 0..<5_000 {
            self.metrics.makeCounter(label: "a_total", dimensions: [("x", "\(index)")])
                .increment(by: 1)
        }
        #expect(self.lines(self.metrics).count == 1_002)
    }

    @Test("Nothing that is recorded by many at once is lost")
    func concurrent() async {
        let counter = self.metrics.makeCounter(label: "a_total", dimensions: [])
        let timer = self.metrics.makeTimer(label: "c_seconds", dimensions: [])
        let meter = self.metrics.makeMeter(label: "b", dimensions: [])
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    for _ in 0..<10_000 {
                        counter.increment(by: 1)
                        timer.recordNanoseconds(1_000_000_000)
                        meter.increment(by: 1)
                    }
                }
            }
        }
        let lines = self.lines(self.metrics)
        #expect(lines.contains("a_total 80000"))
        #expect(lines.contains("b 80000"))
        #expect(lines.contains("c_seconds_sum 80000"))
        #expect(lines.contains("c_seconds_count 80000"))
    }

    @Test("Names and buckets follow the conventions of Prometheus")
    func conventions() {
        let names = MetricFamily.all.map(\.name)
        #expect(Set(names).count == names.count)
        for family in MetricFamily.all {
            #expect(family.name.wholeMatch(of: /tickertape_[a-z]+(_[a-z]+)*/) != nil)
            #expect(family.name.hasSuffix("_total") == (family.kind == .counter), "\(family.name)")
            #expect(family.help.hasSuffix("."), "\(family.name)")
            #expect(family.bounds.isEmpty == (family.kind != .histogram), "\(family.name)")
            #expect(family.bounds == Array(Set(family.bounds)).sorted(), "\(family.name)")
        }
    }
}
