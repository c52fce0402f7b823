package import NIOCore
package import TickertapeCore
import TickertapeLog
package import TickertapeWire

/// Where the frames of a subscription go: a connection.
///
/// Confined to its event loop.
package protocol SubscriptionTransport: AnyObject {
    /// The same for as long as it lives.
    var format: WireFormat { get }

    /// What comes before the first message.
    ///
    /// `head` is the head of the log; `cursor` where a live start begins, so that the client
    /// has it too.
    func opening(head: Int64, cursor: Int64?) -> ByteBuffer

    /// Writes and flushes.
    ///
    /// - Returns: Whether the socket is full: the subscription then waits for `socketDrained`.
    func write(_ frames: ByteBuffer) -> Bool

    /// Whether the socket is full with what others wrote; `socketDrained` is told later then.
    func isRefused() -> Bool

    /// A page was written, or had nothing to write.
    func pageWritten()

    /// Ends the subscription; the subscriber is told whether and when to come back.
    func end(_ reason: SubscriptionEnd)

    /// Of the peer, if it has one.
    var address: SocketAddress? { get }
}

extension SubscriptionTransport {
    /// Who has a socket of its own is brought nothing while it is full.
    package func isRefused() -> Bool { false }

    package func pageWritten() {}

    package var address: SocketAddress? { nil }
}

/// Why the broker ends a subscription.
package enum SubscriptionEnd: Equatable, Sendable {
    /// The broker stops.
    case draining
    case logUnavailable
    /// An operator wants it to come back.
    case disconnected
    /// There is nothing left to follow; this was the last topic of its filter to end.
    case ended(TopicEnd)
}

/// One cursor over the log, and the machine that moves it.
///
/// Confined to its event loop.
package final class Subscription {
    let audience: Audience
    let format: WireFormat
    private(set) var machine = SubscriptionMachine()
    private(set) weak var transport: (any SubscriptionTransport)?

    /// Strictly increasing over the broker.
    let number: Int64
    let openedMilliseconds: Int64
    /// Whether what it reads in pages is joined.
    let coalesces: Bool

    // Places, in few bytes: there may be very many idle subscriptions.

    private var liveIndex32: Int32 = -1
    private var behindIndex32: Int32 = -1
    private var beatIndex32: Int32 = -1
    private var beatSlot8: UInt8 = 0
    /// Asked to be told when replay reaches the live tail, and was not yet.
    var owesCaughtUp: Bool
    /// The turn of the wheel in which something was last written.
    var lastWriteTurn = 0
    /// For what is read for it; given back when it is closed.
    let ticket = ReadTicket()
    /// What limits the replay of a tail while it lasts.
    var tail: TailStart?
    /// What it was told of messages that are gone.
    var gaps = GapTeller()
    /// The last id the subscriber has seen.
    var told: Int64 = 0

    init(
        audience: Audience,
        transport: any SubscriptionTransport,
        tellsCaughtUp: Bool,
        coalesces: Bool = false,
        number: Int64 = 0,
        openedMilliseconds: Int64 = 0
    ) {
        self.number = number
        self.openedMilliseconds = openedMilliseconds
        self.audience = audience
        self.transport = transport
        self.format = transport.format
        self.owesCaughtUp = tellsCaughtUp
        self.coalesces = coalesces
    }

    func change<Action>(_ input: (inout SubscriptionMachine) -> Action) -> Action {
        input(&self.machine)
    }

    /// - Returns: Whether the socket is full; also when there is no connection any more.
    func write(_ frames: ByteBuffer) -> Bool {
        self.transport?.write(frames) ?? true
    }
}

/// Where it stands in the lists of its loop.
extension Subscription {
    /// Among the live ones of its audience; -1 when it is not live.
    var liveIndex: Int {
        get { Int(self.liveIndex32) }
        set { self.liveIndex32 = Int32(newValue) }
    }

    /// Among those of the loop that are not live; -1 when it is live, or closed.
    var behindIndex: Int {
        get { Int(self.behindIndex32) }
        set { self.behindIndex32 = Int32(newValue) }
    }

    /// On the heartbeat wheel; -1 when it is closed.
    var beatIndex: Int {
        get { Int(self.beatIndex32) }
        set { self.beatIndex32 = Int32(newValue) }
    }

    var beatSlot: Int {
        get { Int(self.beatSlot8) }
        set { self.beatSlot8 = UInt8(newValue) }
    }

    var isOpen: Bool { self.beatIndex32 >= 0 }

    package var filter: TopicFilter { self.audience.filter }
}
