@testable import TickertapeServer

/// Every action of the machine, in one type.
enum SessionOutput: Equatable, Sendable {
    case farewell
    case closeAndEnd
    case close
    case end
    case ping
    case drop
    case none

    init(_ action: WebSocketSessionMachine.AnsweredAction) {
        switch action {
        case .farewell: self = .farewell
        case .none: self = .none
        }
    }

    init(_ action: WebSocketSessionMachine.CloseAction) {
        switch action {
        case .closeAndEnd: self = .closeAndEnd
        case .close: self = .close
        case .end: self = .end
        case .none: self = .none
        }
    }

    init(_ action: WebSocketSessionMachine.BeatAction) {
        switch action {
        case .ping: self = .ping
        case .drop: self = .drop
        case .none: self = .none
        }
    }

    /// Whether a close frame is written for it.
    var writesClose: Bool {
        switch self {
        case .farewell, .closeAndEnd, .close: true
        case .end, .ping, .drop, .none: false
        }
    }
}

/// Every input of the machine, in one type.
enum SessionInput: Equatable, Sendable {
    enum Peer: Sendable { case canBeHeard, cannotBeHeard }

    case published(bytes: Int)
    case answered(bytes: Int)
    case drain
    case failed
    case close
    case peerClosed
    case heard
    case beat(Peer)

    func feed(_ machine: inout WebSocketSessionMachine) -> SessionOutput {
        switch self {
        case .published(let bytes): machine.published(bytes: bytes)
        case .answered(let bytes): return SessionOutput(machine.answered(bytes: bytes))
        case .drain: return SessionOutput(machine.drain())
        case .failed: return SessionOutput(machine.failed())
        case .close: return SessionOutput(machine.close())
        case .peerClosed: return SessionOutput(machine.peerClosed())
        case .heard: machine.heard()
        case .beat(let peer):
            return SessionOutput(machine.beat(canBeHeard: peer == .canBeHeard))
        }
        return .none
    }
}
