import TickertapeBroker

/// Every action of the machine, in one type.
enum MachineOutput: Equatable, Sendable {
    case readPage(after: Int64)
    case joinLive
    case leaveLive
    case leaveLiveAndReadPage(after: Int64)
    case writeCursor(Int64)
    case writeComment
    case none

    init(_ action: SubscriptionMachine.Action) {
        switch action {
        case .readPage(let cursor): self = .readPage(after: cursor)
        case .joinLive: self = .joinLive
        case .none: self = .none
        }
    }

    init(_ action: SubscriptionMachine.DeliveredAction) {
        switch action {
        case .leaveLive: self = .leaveLive
        case .none: self = .none
        }
    }

    init(_ action: SubscriptionMachine.FellBehindAction) {
        switch action {
        case .leaveLiveAndReadPage(let cursor): self = .leaveLiveAndReadPage(after: cursor)
        case .none: self = .none
        }
    }

    init(_ action: SubscriptionMachine.HeartbeatAction) {
        switch action {
        case .writeCursor(let id): self = .writeCursor(id)
        case .writeComment: self = .writeComment
        case .none: self = .none
        }
    }
}

/// Every input of the machine, in one type.
enum MachineInput: Sendable {
    enum Socket: Sendable { case free, full }

    case opened(_ cursor: Int64, _ delivered: Int64)
    case page(_ through: Int64, _ delivered: Int64, Socket)
    case delivered(_ through: Int64, Socket)
    case fellBehind
    case socketFilled
    case socketDrained
    case heartbeat(passed: Int64?, told: Int64)
    case close

    func feed(_ machine: inout SubscriptionMachine) -> MachineOutput {
        switch self {
        case .opened(let cursor, let delivered):
            MachineOutput(machine.opened(at: cursor, delivered: delivered))
        case .page(let through, let delivered, let socket):
            MachineOutput(
                machine.pageWritten(
                    through: through,
                    delivered: delivered,
                    socketIsFull: socket == .full
                )
            )
        case .delivered(let through, let socket):
            MachineOutput(machine.delivered(through: through, socketIsFull: socket == .full))
        case .fellBehind: MachineOutput(machine.fellBehind())
        case .socketFilled: MachineOutput(machine.socketFilled())
        case .socketDrained: MachineOutput(machine.socketDrained())
        case .heartbeat(let passed, let told):
            MachineOutput(machine.heartbeatDue(passed: passed, told: told))
        case .close: MachineOutput(machine.close())
        }
    }
}
