/// Decides what one subscription does next.
///
/// Pure: no IO, no clock, no lock. The same for every transport; a subscription is a cursor over
/// the log, and nothing is queued for it anywhere.
package struct SubscriptionMachine: ~Copyable {
    private enum State: ~Copyable {
        /// Waits for the position it starts from. Next: `reading`, `full`, `live`, `closed`.
        case starting(socketIsFull: Bool)
        /// Behind the tail, one page being read. Next: `full`, `live`, `closed`.
        case reading(cursor: Int64, socketIsFull: Bool)
        /// Socket full, nothing being read. Next: `reading`, `closed`.
        case full(cursor: Int64)
        /// At the tail: batches are written as they come. Next: `full`, `reading`, `closed`.
        case live(cursor: Int64)
        case closed
    }

    private var state: State

    package init() {
        self.init(.starting(socketIsFull: false))
    }

    private init(_ state: consuming State) {
        self.state = state
    }

    /// What the shell does next.
    package enum Action: Equatable {
        /// Read the messages after the cursor.
        case readPage
        /// Join those who get batches as they come.
        case joinLive
        /// Leave those who get batches as they come; read the log when the socket drains.
        case leaveLive
        /// Leave them, and read the messages after the cursor.
        case leaveLiveAndReadPage
        case none
    }

    /// Everything up to here was handed to the socket, or is not selected.
    package var cursor: Int64? {
        switch self.state {
        case .starting: nil
        case .closed: nil
        case .reading(let cursor, _): cursor
        case .full(let cursor): cursor
        case .live(let cursor): cursor
        }
    }

    /// As operators see it; nothing when it is closed.
    package var shown: SubscriberEntry.State? {
        switch self.state {
        case .starting: .starting
        case .reading(_, let socketIsFull): socketIsFull ? .full : .reading
        case .full: .full
        case .live: .live
        case .closed: nil
        }
    }

    /// The position is known; `delivered` is the last id announced on this loop, its tail.
    package mutating func opened(at cursor: Int64, delivered: Int64) -> Action {
        switch consume self.state {
        case .starting(let socketIsFull):
            guard !socketIsFull else {
                self = .init(.full(cursor: cursor))
                return .none
            }
            guard cursor < delivered else {
                self = .init(.live(cursor: cursor))
                return .joinLive
            }
            self = .init(.reading(cursor: cursor, socketIsFull: false))
            return .readPage
        case .closed:
            self = .init(.closed)
            return .none
        case .reading:
            preconditionFailure("a subscription is opened once")
        case .full:
            preconditionFailure("a subscription is opened once")
        case .live:
            preconditionFailure("a subscription is opened once")
        }
    }

    /// A page was read and written to the socket; `through` is the last id examined.
    package mutating func pageWritten(
        through: Int64,
        delivered: Int64,
        socketIsFull: Bool
    ) -> Action {
        switch consume self.state {
        case .reading(let cursor, let wasFull):
            assert(through >= cursor, "a page goes forward")
            guard !socketIsFull && !wasFull else {
                self = .init(.full(cursor: through))
                return .none
            }
            guard through < delivered else {
                // A page may run ahead of the announcements: delivery skips ids up to the cursor.
                self = .init(.live(cursor: through))
                return .joinLive
            }
            self = .init(.reading(cursor: through, socketIsFull: false))
            return .readPage
        case .closed:
            self = .init(.closed)
            return .none
        case .starting:
            preconditionFailure("a page came that nobody reads")
        case .full:
            preconditionFailure("a page came that nobody reads")
        case .live:
            preconditionFailure("a page came that nobody reads")
        }
    }

    /// The page being read is not written: the socket was filled by somebody else.
    package mutating func pageRefused() -> Action {
        switch consume self.state {
        case .reading(let cursor, _):
            self = .init(.full(cursor: cursor))
            return .none
        case .closed:
            self = .init(.closed)
            return .none
        case .starting:
            preconditionFailure("a page is refused that nobody reads")
        case .full:
            preconditionFailure("a page is refused that nobody reads")
        case .live:
            preconditionFailure("a page is refused that nobody reads")
        }
    }

    /// Everything up to `through` was written to the socket of a live subscription.
    package mutating func delivered(through: Int64, socketIsFull: Bool) -> Action {
        switch consume self.state {
        case .live(let cursor):
            let reached = max(cursor, through)
            guard socketIsFull else {
                self = .init(.live(cursor: reached))
                return .none
            }
            self = .init(.full(cursor: reached))
            return .leaveLive
        case .closed:
            self = .init(.closed)
            return .none
        case .starting:
            preconditionFailure("a batch was delivered to a subscription that is not live")
        case .reading:
            preconditionFailure("a batch was delivered to a subscription that is not live")
        case .full:
            preconditionFailure("a batch was delivered to a subscription that is not live")
        }
    }

    /// A live subscription has more to get than one write takes, or what it needs is no longer
    /// kept in memory.
    package mutating func fellBehind() -> Action {
        switch consume self.state {
        case .live(let cursor):
            self = .init(.reading(cursor: cursor, socketIsFull: false))
            return .leaveLiveAndReadPage
        case .closed:
            self = .init(.closed)
            return .none
        case .starting:
            preconditionFailure("only a live subscription falls behind")
        case .reading:
            preconditionFailure("only a live subscription falls behind")
        case .full:
            preconditionFailure("only a live subscription falls behind")
        }
    }

    /// The socket takes no more for now.
    package mutating func socketFilled() -> Action {
        switch consume self.state {
        case .starting:
            self = .init(.starting(socketIsFull: true))
            return .none
        case .reading(let cursor, _):
            self = .init(.reading(cursor: cursor, socketIsFull: true))
            return .none
        case .full(let cursor):
            self = .init(.full(cursor: cursor))
            return .none
        case .live(let cursor):
            self = .init(.full(cursor: cursor))
            return .leaveLive
        case .closed:
            self = .init(.closed)
            return .none
        }
    }

    /// The socket takes bytes again: go on from the log, not from a queue.
    package mutating func socketDrained() -> Action {
        switch consume self.state {
        case .starting:
            self = .init(.starting(socketIsFull: false))
            return .none
        case .reading(let cursor, _):
            self = .init(.reading(cursor: cursor, socketIsFull: false))
            return .none
        case .full(let cursor):
            self = .init(.reading(cursor: cursor, socketIsFull: false))
            return .readPage
        case .live(let cursor):
            self = .init(.live(cursor: cursor))
            return .none
        case .closed:
            self = .init(.closed)
            return .none
        }
    }

    package enum HeartbeatAction: Equatable {
        /// Say that everything up to here has been passed over.
        case writeCursor(Int64)
        /// Only show that the connection lives.
        case writeComment
        case none
    }

    /// A sign of life is due.
    ///
    /// For a live subscription with nothing left to write, `passed` is the last id its filter has
    /// passed over; it is nothing while something is left. `told` is the last id the subscriber
    /// has seen.
    package mutating func heartbeatDue(passed: Int64?, told: Int64) -> HeartbeatAction {
        switch consume self.state {
        case .live(let cursor):
            if let passed, passed > told {
                self = .init(.live(cursor: max(cursor, passed)))
                return .writeCursor(passed)
            }
            self = .init(.live(cursor: cursor))
            return .writeComment
        case .reading(let cursor, let socketIsFull):
            self = .init(.reading(cursor: cursor, socketIsFull: socketIsFull))
            return socketIsFull ? .none : .writeComment
        case .starting(let socketIsFull):
            self = .init(.starting(socketIsFull: socketIsFull))
            return socketIsFull ? .none : .writeComment
        case .full(let cursor):
            self = .init(.full(cursor: cursor))
            return .none
        case .closed:
            self = .init(.closed)
            return .none
        }
    }

    /// A live subscription has to leave those who get batches as they come.
    package mutating func close() -> Action {
        switch consume self.state {
        case .live:
            self = .init(.closed)
            return .leaveLive
        case .starting:
            self = .init(.closed)
            return .none
        case .reading:
            self = .init(.closed)
            return .none
        case .full:
            self = .init(.closed)
            return .none
        case .closed:
            self = .init(.closed)
            return .none
        }
    }
}
