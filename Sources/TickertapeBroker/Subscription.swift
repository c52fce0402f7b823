package import NIOCore
import TickertapeCore
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

    /// Whether the socket is full with what others wrote: the page is read again later, and
    /// `socketDrained` is told then.
    func refusesPage() -> Bool

    /// Ends the connection for now; the subscriber is told when to come back.
    func end(_ reason: SubscriptionEnd)
}

extension SubscriptionTransport {
    /// Who has a socket of its own is asked for no page while it is full.
    package func refusesPage() -> Bool { false }
}

/// Why the broker ends a subscription that it did not want to end.
package enum SubscriptionEnd: Equatable, Sendable {
    case draining
    case logUnavailable
}

/// One cursor over the log, and the machine that moves it.
///
/// Confined to its event loop.
package final class Subscription {
    let audience: Audience
    let format: WireFormat
    private(set) var machine = SubscriptionMachine()
    private(set) weak var transport: (any SubscriptionTransport)?

    /// Its place among the live ones of its audience; -1 when it is not live.
    var liveIndex = -1
    /// Its place on the heartbeat wheel.
    var beatSlot = 0
    var beatIndex = -1
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
    /// Asked to be told when replay reaches the live tail, and was not yet.
    var owesCaughtUp: Bool

    init(audience: Audience, transport: any SubscriptionTransport, tellsCaughtUp: Bool) {
        self.audience = audience
        self.transport = transport
        self.format = transport.format
        self.owesCaughtUp = tellsCaughtUp
    }

    func change<Action>(_ input: (inout SubscriptionMachine) -> Action) -> Action {
        input(&self.machine)
    }

    /// - Returns: Whether the socket is full; also when there is no connection any more.
    func write(_ frames: ByteBuffer) -> Bool {
        self.transport?.write(frames) ?? true
    }
}
