package import NIOCore
import TickertapeCore
import TickertapeLog
package import TickertapeWire

/// Where the frames of a subscription go: a connection.
///
/// Confined to its event loop.
package protocol SubscriptionTransport: AnyObject {
    var framing: StreamFraming { get }

    /// Writes and flushes.
    ///
    /// - Returns: Whether the socket is full: the subscription then waits for `socketDrained`.
    func write(_ frames: ByteBuffer) -> Bool

    /// Ends the stream: come back after so long.
    func end(retryMilliseconds: Int64)
}

/// One cursor over the log, and the machine that moves it.
///
/// Confined to its event loop.
package final class Subscription {
    let audience: Audience
    let framing: StreamFraming
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

    init(audience: Audience, transport: any SubscriptionTransport) {
        self.audience = audience
        self.transport = transport
        self.framing = transport.framing
    }

    func change<Action>(_ input: (inout SubscriptionMachine) -> Action) -> Action {
        input(&self.machine)
    }

    /// - Returns: Whether the socket is full; also when there is no connection any more.
    func write(_ frames: ByteBuffer) -> Bool {
        self.transport?.write(frames) ?? true
    }
}
