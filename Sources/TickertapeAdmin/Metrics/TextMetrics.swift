package import Metrics
import NIOCore
import Synchronization

/// Keeps the metrics of the process and writes them in the text format of Prometheus, version 0.0.4.
///
/// What swift-metrics asks for by name and labels is made once; whoever records has an atomic in
/// hand and takes no lock. Families that `MetricFamily.all` does not name get their type from what
/// was asked for. Any thread.
package final class TextMetrics: MetricsFactory {
    private struct Key: Hashable {
        let name: String
        let labels: String
    }

    private enum Cell: Sendable {
        case counter(CounterCell)
        case gauge(GaugeCell)
        case histogram(HistogramCell)
    }

    private struct State: Sendable {
        var families: [String: MetricFamily] = [:]
        var cells: [Key: Cell] = [:]
    }

    private let state = Mutex(State())

    /// More are not kept: labels are bounded by whoever records, and this is the net below.
    private static let seriesMax = 1_000

    package convenience init() {
        self.init(families: MetricFamily.all)
    }

    init(families: [MetricFamily]) {
        self.state.withLock { state in
            for family in families { state.families[family.name] = family }
        }
    }

    package func makeCounter(
        label: String,
        dimensions: [(String, String)]
    ) -> any CounterHandler {
        let cell = self.cell(label, dimensions, .counter) { _ in .counter(CounterCell()) }
        guard case .counter(let counter) = cell else { return IgnoredCell() }
        return counter
    }

    package func makeRecorder(
        label: String,
        dimensions: [(String, String)],
        aggregate: Bool
    ) -> any RecorderHandler {
        let cell = self.cell(label, dimensions, aggregate ? .histogram : .gauge) { family in
            aggregate ? .histogram(HistogramCell(bounds: family.bounds)) : .gauge(GaugeCell())
        }
        switch cell {
        case .gauge(let gauge): return gauge
        case .histogram(let histogram): return histogram
        case .counter, nil: return IgnoredCell()
        }
    }

    package func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
        let cell = self.cell(label, dimensions, .gauge) { _ in .gauge(GaugeCell()) }
        guard case .gauge(let gauge) = cell else { return IgnoredCell() }
        return gauge
    }

    package func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        let cell = self.cell(label, dimensions, .histogram) { family in
            .histogram(HistogramCell(bounds: family.bounds))
        }
        guard case .histogram(let histogram) = cell else { return IgnoredCell() }
        return histogram
    }

    // A series stays once it was there: one that vanishes and comes back looks like a restart.

    package func destroyCounter(_ handler: any CounterHandler) {}
    package func destroyRecorder(_ handler: any RecorderHandler) {}
    package func destroyMeter(_ handler: any MeterHandler) {}
    package func destroyTimer(_ handler: any TimerHandler) {}

    private func cell(
        _ name: String,
        _ labels: [(String, String)],
        _ kind: MetricFamily.Kind,
        _ make: (MetricFamily) -> Cell
    ) -> Cell? {
        let key = Key(name: name, labels: Self.text(of: labels))
        return self.state.withLock { state in
            if let known = state.cells[key] { return known }
            guard state.cells.count < Self.seriesMax else { return nil }
            let family =
                state.families[name] ?? MetricFamily(name: name, kind: kind, help: "\(name).")
            // Two kinds under one name would be no valid exposition.
            guard family.kind == kind else { return nil }
            state.families[name] = family
            let made = make(family)
            state.cells[key] = made
            return made
        }
    }

    /// `{transport="websocket"}`, or nothing.
    private static func text(of labels: [(String, String)]) -> String {
        guard !labels.isEmpty else { return "" }
        let pairs = labels.map { name, value in "\(name)=\"\(Self.escaped(value))\"" }
        return "{\(pairs.joined(separator: ","))}"
    }

    private static func escaped(_ value: String) -> String {
        value.unicodeScalars.reduce(into: "") { text, scalar in
            switch scalar {
            case "\\": text += "\\\\"
            case "\"": text += "\\\""
            case "\n": text += "\\n"
            default: text.unicodeScalars.append(scalar)
            }
        }
    }

    /// Everything there is, by name and labels.
    func text() -> ByteBuffer {
        let (families, cells) = self.state.withLock { ($0.families, $0.cells) }
        var buffer = ByteBufferAllocator().buffer(capacity: 16_384)
        let series = Dictionary(grouping: cells, by: \.key.name)
        for family in families.values.sorted(by: { $0.name < $1.name }) {
            guard let known = series[family.name] else { continue }
            let help = family.help.split(separator: "\n").joined(separator: " ")
            buffer.writeString("# HELP \(family.name) \(help)\n")
            buffer.writeString("# TYPE \(family.name) \(family.kind.rawValue)\n")
            for (key, cell) in known.sorted(by: { $0.key.labels < $1.key.labels }) {
                switch cell {
                case .counter(let counter):
                    buffer.writeString("\(key.name)\(key.labels) \(counter.current)\n")
                case .gauge(let gauge):
                    buffer.writeString("\(key.name)\(key.labels) \(number(gauge.current))\n")
                case .histogram(let histogram):
                    buffer.write(histogram, named: key.name, labels: key.labels)
                }
            }
        }
        return buffer
    }
}

extension ByteBuffer {
    fileprivate mutating func write(_ histogram: HistogramCell, named name: String, labels: String)
    {
        let (counts, sum) = histogram.current
        let others = labels.isEmpty ? "" : labels.dropFirst().dropLast() + ","
        var total: Int64 = 0
        for (index, count) in counts.enumerated() {
            total += count
            let bound = index < histogram.bounds.count ? number(histogram.bounds[index]) : "+Inf"
            self.writeString("\(name)_bucket{\(others)le=\"\(bound)\"} \(total)\n")
        }
        self.writeString("\(name)_sum\(labels) \(number(sum))\n")
        self.writeString("\(name)_count\(labels) \(total)\n")
    }
}

/// A number as Go's ParseFloat reads it; whole ones without a fraction.
private func number(_ value: Double) -> String {
    if value.isNaN { return "NaN" }
    if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
    if let whole = Int64(exactly: value) { return "\(whole)" }
    return "\(value)"
}
