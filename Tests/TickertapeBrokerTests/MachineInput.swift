import TickertapeBroker

/// Every action of the machine, in one type.
enum MachineOutput: Equatable, Sendable {
    case readPage
    case joinLive
    case leaveLive
    case leaveLiveAndReadPage
    case writeCursor(Int64)
    case writeComment
    case none

    init(_ action: SubscriptionMachine.Action) {
        switch action {
        case .readPage: self = .readPage
        case .joinLive: self = .joinLive
        case .leaveLive: self = .leaveLive
        case .leaveLiveAndReadPage: self = .leaveLiveAndReadPage
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

    /// Whether the subscription gets batches as they come afterwards, when it did `before`.
    func isLive(before: Bool) -> Bool {
        switch self {
        case .joinLive: true
        case .readPage, .leaveLive, .leaveLiveAndReadPage: false
        case .writeCursor, .writeComment, .none: before
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
