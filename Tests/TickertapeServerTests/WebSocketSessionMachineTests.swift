import Testing
import TickertapeTestSupport

@testable import TickertapeServer

struct WebSocketSessionMachineTests {
    /// The states, each with the inputs that lead to it.
    enum Start: Sendable, CaseIterable {
        case open, answering, full, tooLong, draining, closing, closingAnswering, ended

        var inputs: [SessionInput] {
            switch self {
            case .open: []
            case .answering: [.published(bytes: 9)]
            case .full: [.published(bytes: 1), .published(bytes: 1)]
            case .tooLong: [.published(bytes: 10)]
            case .draining: [.published(bytes: 4), .published(bytes: 5), .drain]
            case .closing: [.close]
            case .closingAnswering: [.published(bytes: 9), .close]
            case .ended: [.published(bytes: 9), .failed]
            }
        }
    }

    /// What may be done next.
    struct Rights: OptionSet, Sendable {
        let rawValue: Int
        static let messages = Self(rawValue: 1)
        static let commands = Self(rawValue: 2)
        /// No deadline ends it.
        static let time = Self(rawValue: 4)
        static let open: Self = [.messages, .commands, .time]
        static let full: Self = [.commands, .time]
        static let draining: Self = [.time]
        static let closing: Self = [.messages]
        static let ended: Self = []

        init(rawValue: Int) { self.rawValue = rawValue }

        init(_ machine: borrowing WebSocketSessionMachine) {
            self = []
            if machine.takesMessages { self.insert(.messages) }
            if machine.takesCommands { self.insert(.commands) }
            if machine.isOpen { self.insert(.time) }
        }
    }

    struct Row: Sendable {
        let start: Start
        let input: SessionInput
        let output: SessionOutput
        let rights: Rights

        init(_ start: Start, _ input: SessionInput, _ output: SessionOutput, _ rights: Rights) {
            self.start = start
            self.input = input
            self.output = output
            self.rights = rights
        }
    }

    static let publishes = [
        Row(.open, .published(bytes: 9), .none, .open),
        Row(.open, .published(bytes: 10), .none, .full),
        Row(.open, .published(bytes: 11), .none, .full),
        Row(.answering, .published(bytes: 0), .none, .full),
        Row(.answering, .answered(bytes: 9), .none, .open),
        Row(.full, .answered(bytes: 1), .none, .open),
        Row(.tooLong, .answered(bytes: 10), .none, .open),
        Row(.draining, .answered(bytes: 4), .none, .draining),
        Row(.closingAnswering, .answered(bytes: 9), .none, .closing),
        Row(.ended, .answered(bytes: 9), .none, .ended),
    ]

    static let ends = [
        Row(.open, .drain, .farewell, .closing),
        Row(.answering, .drain, .none, .draining),
        Row(.full, .drain, .none, .draining),
        Row(.draining, .drain, .none, .draining),
        Row(.closing, .drain, .none, .closing),
        Row(.ended, .drain, .none, .ended),
        Row(.open, .close, .close, .closing),
        Row(.full, .close, .close, .closing),
        Row(.draining, .close, .close, .closing),
        Row(.closing, .close, .none, .closing),
        Row(.ended, .close, .none, .ended),
        Row(.open, .failed, .closeAndEnd, .ended),
        Row(.full, .failed, .closeAndEnd, .ended),
        Row(.draining, .failed, .closeAndEnd, .ended),
        Row(.closing, .failed, .end, .ended),
        Row(.ended, .failed, .none, .ended),
        Row(.open, .peerClosed, .closeAndEnd, .ended),
        Row(.draining, .peerClosed, .closeAndEnd, .ended),
        Row(.closing, .peerClosed, .end, .ended),
        Row(.ended, .peerClosed, .none, .ended),
    ]

    static let beats = [
        Row(.open, .beat(.canBeHeard), .none, .open),
        Row(.open, .beat(.cannotBeHeard), .none, .open),
        Row(.draining, .beat(.canBeHeard), .none, .draining),
        Row(.closing, .beat(.canBeHeard), .none, .closing),
        Row(.ended, .beat(.canBeHeard), .none, .ended),
        Row(.ended, .heard, .none, .ended),
    ]

    @Test("What an input does depends on the state", arguments: publishes + ends + beats)
    func table(row: Row) {
        var machine = WebSocketSessionMachine(countMax: 2, bytesMax: 10, pingsMax: 2)
        for input in row.start.inputs { _ = input.feed(&machine) }
        let output = row.input.feed(&machine)
        let rights = Rights(machine)
        #expect(output == row.output)
        #expect(rights == row.rights)
        let hasEnded = machine.hasEnded
        #expect(hasEnded == (row.rights == .ended))
    }

    @Test("A drain says goodbye with the last answer")
    func farewell() {
        var machine = WebSocketSessionMachine(countMax: 9, bytesMax: 100, pingsMax: 2)
        let inputs: [SessionInput] = [
            .published(bytes: 4), .published(bytes: 5), .drain, .answered(bytes: 4),
            .answered(bytes: 5), .drain, .peerClosed,
        ]
        let outputs = inputs.map { $0.feed(&machine) }
        #expect(outputs == [.none, .none, .none, .none, .farewell, .none, .end])
    }

    struct Beats: Sendable {
        let name: String
        let inputs: [SessionInput]
        let outputs: [SessionOutput]
    }

    @Test(
        "A peer is asked after a silence, and given up when it does not answer",
        arguments: [
            Beats(
                name: "never heard",
                inputs: Array(repeating: .beat(.canBeHeard), count: 4),
                outputs: [.none, .ping, .ping, .drop]
            ),
            Beats(
                name: "busy",
                inputs: [.heard, .beat(.canBeHeard), .heard, .beat(.canBeHeard)],
                outputs: [.none, .none, .none, .none]
            ),
            Beats(
                name: "answers the second ping",
                inputs: [
                    .beat(.canBeHeard), .beat(.canBeHeard), .beat(.canBeHeard), .heard,
                    .beat(.canBeHeard), .beat(.canBeHeard), .beat(.canBeHeard), .beat(.canBeHeard),
                ],
                outputs: [.none, .ping, .ping, .none, .none, .ping, .ping, .drop]
            ),
            Beats(
                name: "cannot be heard",
                inputs: Array(repeating: .beat(.cannotBeHeard), count: 9) + [.beat(.canBeHeard)],
                outputs: Array(repeating: .none, count: 9) + [.ping]
            ),
        ]
    )
    func liveness(beats: Beats) {
        var machine = WebSocketSessionMachine(countMax: 2, bytesMax: 10, pingsMax: 2)
        let outputs = beats.inputs.map { $0.feed(&machine) }
        #expect(outputs == beats.outputs, "\(beats.name)")
    }

    @Test("Whether anything has ever come is known")
    func hasBeenHeard() {
        var machine = WebSocketSessionMachine(countMax: 2, bytesMax: 10, pingsMax: 2)
        _ = machine.beat(canBeHeard: true)
        let before = machine.hasBeenHeard
        machine.heard()
        _ = machine.beat(canBeHeard: true)
        let after = machine.hasBeenHeard
        #expect((before, after) == (false, true))
    }
}
