import Testing
import TickertapeBroker
import TickertapeTestSupport

struct SubscriptionMachineTests {
    /// The states, each with the inputs that lead to it; from `reading` on they stand at 10.
    enum Start: Sendable, CaseIterable {
        case starting, startingFull, reading, readingFull, full, live, closed

        var inputs: [MachineInput] {
            switch self {
            case .starting: []
            case .startingFull: [.socketFilled]
            case .reading: [.opened(10, 20)]
            case .readingFull: [.opened(10, 20), .socketFilled]
            case .full: [.opened(10, 10), .socketFilled]
            case .live: [.opened(10, 10)]
            case .closed: [.opened(10, 10), .close]
            }
        }
    }

    /// Where a subscription stands afterwards.
    enum Place: Equatable, Sendable {
        /// Nowhere: it is starting or closed.
        case none
        case at(Int64)
        case live(Int64)
    }

    struct Row: Sendable {
        let start: Start
        let input: MachineInput
        let output: MachineOutput
        let place: Place

        init(_ start: Start, _ input: MachineInput, _ output: MachineOutput, _ place: Place) {
            self.start = start
            self.input = input
            self.output = output
            self.place = place
        }
    }

    static let openings = [
        Row(.starting, .opened(10, 11), .readPage, .at(10)),
        Row(.starting, .opened(11, 11), .joinLive, .live(11)),
        Row(.starting, .opened(12, 11), .joinLive, .live(12)),
        Row(.starting, .opened(0, 0), .joinLive, .live(0)),
        Row(.startingFull, .opened(10, 11), .none, .at(10)),
        Row(.startingFull, .opened(11, 11), .none, .at(11)),
        Row(.closed, .opened(10, 11), .none, .none),
    ]

    static let pages = [
        Row(.reading, .page(15, 20, .free), .readPage, .at(15)),
        Row(.reading, .page(10, 20, .free), .readPage, .at(10)),
        Row(.reading, .page(20, 20, .free), .joinLive, .live(20)),
        Row(.reading, .page(25, 20, .free), .joinLive, .live(25)),
        Row(.reading, .page(15, 20, .full), .none, .at(15)),
        Row(.reading, .page(20, 20, .full), .none, .at(20)),
        Row(.readingFull, .page(15, 20, .free), .none, .at(15)),
        Row(.readingFull, .page(20, 20, .free), .none, .at(20)),
        Row(.closed, .page(15, 20, .free), .none, .none),
    ]

    static let deliveries = [
        Row(.live, .delivered(15, .free), .none, .live(15)),
        Row(.live, .delivered(5, .free), .none, .live(10)),
        Row(.live, .delivered(15, .full), .leaveLive, .at(15)),
        Row(.live, .delivered(5, .full), .leaveLive, .at(10)),
        Row(.closed, .delivered(15, .full), .none, .none),
        Row(.live, .fellBehind, .leaveLiveAndReadPage, .at(10)),
        Row(.closed, .fellBehind, .none, .none),
    ]

    static let sockets = [
        Row(.starting, .socketFilled, .none, .none),
        Row(.reading, .socketFilled, .none, .at(10)),
        Row(.readingFull, .socketFilled, .none, .at(10)),
        Row(.full, .socketFilled, .none, .at(10)),
        Row(.live, .socketFilled, .leaveLive, .at(10)),
        Row(.closed, .socketFilled, .none, .none),
        Row(.startingFull, .socketFilled, .none, .none),
        Row(.starting, .socketDrained, .none, .none),
        Row(.startingFull, .socketDrained, .none, .none),
        Row(.reading, .socketDrained, .none, .at(10)),
        Row(.readingFull, .socketDrained, .none, .at(10)),
        Row(.full, .socketDrained, .readPage, .at(10)),
        Row(.live, .socketDrained, .none, .live(10)),
        Row(.closed, .socketDrained, .none, .none),
    ]

    static let heartbeats = [
        Row(.live, .heartbeat(passed: 15, told: 10), .writeCursor(15), .live(15)),
        Row(.live, .heartbeat(passed: 10, told: 9), .writeCursor(10), .live(10)),
        Row(.live, .heartbeat(passed: 10, told: 10), .writeComment, .live(10)),
        Row(.live, .heartbeat(passed: 5, told: 10), .writeComment, .live(10)),
        Row(.live, .heartbeat(passed: nil, told: 0), .writeComment, .live(10)),
        Row(.reading, .heartbeat(passed: 15, told: 0), .writeComment, .at(10)),
        Row(.readingFull, .heartbeat(passed: 15, told: 0), .none, .at(10)),
        Row(.full, .heartbeat(passed: 15, told: 0), .none, .at(10)),
        Row(.starting, .heartbeat(passed: 15, told: 0), .writeComment, .none),
        Row(.startingFull, .heartbeat(passed: 15, told: 0), .none, .none),
        Row(.closed, .heartbeat(passed: 15, told: 0), .none, .none),
    ]

    static let closings = Start.allCases.map { start in
        Row(start, .close, start == .live ? .leaveLive : .none, .none)
    }

    @Test(
        "Each input in each state has its action and its next state",
        arguments: openings + pages + deliveries + sockets + heartbeats + closings
    )
    func table(row: Row) {
        var machine = SubscriptionMachine()
        var isLive = false
        for input in row.start.inputs {
            isLive = input.feed(&machine).isLive(before: isLive)
        }
        let output = row.input.feed(&machine)
        isLive = output.isLive(before: isLive)
        let place = machine.cursor.map { isLive ? Place.live($0) : .at($0) } ?? .none
        #expect(output == row.output)
        #expect(place == row.place)
    }

    @Test("A socket that drains before the page arrives does not stop the reading")
    func drainedInTime() {
        var machine = SubscriptionMachine()
        let inputs: [MachineInput] = [
            .opened(0, 20), .socketFilled, .socketDrained,
            .page(10, 20, .free),
        ]
        let outputs = inputs.map { $0.feed(&machine) }
        #expect(outputs == [.readPage, .none, .none, .readPage])
    }

    @Test("A socket that was full before the position was known waits until it drains")
    func fullFromTheStart() {
        var machine = SubscriptionMachine()
        let inputs: [MachineInput] = [
            .socketFilled, .opened(10, 20), .heartbeat(passed: nil, told: 0), .socketDrained,
        ]
        let outputs = inputs.map { $0.feed(&machine) }
        #expect(outputs == [.none, .none, .none, .readPage])
        var early = SubscriptionMachine()
        let drained: [MachineInput] = [.socketFilled, .socketDrained, .opened(10, 10)]
        let live = drained.map { $0.feed(&early) }
        #expect(live == [.none, .none, .joinLive])
    }

    /// Inputs that only a broken shell gives, by state.
    static let impossible: [(Start, MachineInput)] =
        [Start.reading, .full, .live].map { ($0, .opened(10, 20)) }
        + [Start.starting, .full, .live].map {
            ($0, .page(15, 20, .free))
        }
        + [Start.starting, .reading, .full].map { ($0, .delivered(15, .free)) }
        + [Start.starting, .reading, .full].map { ($0, .fellBehind) }

    @Test("An input that cannot be stops the process", arguments: impossible.indices)
    func impossibleInputs(index: Int) async {
        await #expect(processExitsWith: .failure) { [index] in
            let (start, input) = Self.impossible[index]
            var machine = SubscriptionMachine()
            for earlier in start.inputs { _ = earlier.feed(&machine) }
            _ = input.feed(&machine)
        }
    }
}
