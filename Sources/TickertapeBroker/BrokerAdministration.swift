package import TickertapeCore

/// What operators see of the subscriptions and do to them.
///
/// Any thread.
package protocol BrokerAdministration: AnyObject, Sendable {
    /// Every subscription, in no order. Each loop is asked in turn and stops for some hundreds at a
    /// time only.
    func subscribers() async -> [SubscriberEntry]

    /// Ends a subscription for now; its client is told to come back as at a drain. On a WebSocket,
    /// the connection ends with it.
    ///
    /// - Returns: `false` when there is no such subscription.
    func disconnect(subscriber number: Int64) async -> Bool

    /// How many subscriptions each filter has, over all loops.
    func subscriberCounts() async -> [TopicFilter: Int]

    /// The counters of each loop. To be called by one caller, about once a second: what is counted
    /// by topic is since the last call.
    func takeStatistics() async -> [LoopStatistics]
}

/// How a subscription is connected.
package enum TransportKind: String, Sendable, CaseIterable {
    case eventStream = "event_stream"
    case webSocket = "websocket"
}

/// One subscription, as operators see it.
package struct SubscriberEntry: Sendable {
    package enum State: String, Sendable {
        /// Its position is being looked for.
        case starting
        /// It is behind, and reads page by page.
        case reading
        /// Gets messages as they come.
        case live
        /// Its socket is full: it reads on when that drains.
        case full
    }

    /// Strictly increasing since the broker started.
    package let number: Int64
    package let transport: TransportKind
    /// The name of a WebSocket's subscription.
    package let name: String?
    /// Address and port of the peer, if it has any.
    package let address: String?
    package let filter: TopicFilter
    package let state: State
    /// Everything up to here was delivered or passed over; nothing while it is starting.
    package let cursor: Int64?
    /// Milliseconds since 1970-01-01T00:00:00Z.
    package let openedMilliseconds: Int64

    package init(
        number: Int64,
        transport: TransportKind,
        name: String?,
        address: String?,
        filter: TopicFilter,
        state: State,
        cursor: Int64?,
        openedMilliseconds: Int64
    ) {
        self.number = number
        self.transport = transport
        self.name = name
        self.address = address
        self.filter = filter
        self.state = state
        self.cursor = cursor
        self.openedMilliseconds = openedMilliseconds
    }
}

/// The counters of one event loop: since the start, unless it says otherwise.
package struct LoopStatistics: Sendable {
    package struct Out: Equatable, Sendable {
        package var messages: Int64 = 0
        /// Of payload.
        package var bytes: Int64 = 0

        package init() {}
    }

    package var index = 0
    /// Subscriptions open now.
    package var subscribers: [TransportKind: Int] = [:]
    /// Subscriptions that are not live now.
    package var behind = 0
    /// Messages written to sockets, one for each subscription.
    package var out = Out()
    /// The same by topic, since the last call.
    package var outByTopic: [TopicName: Out] = [:]
    package var pagesFromLog: Int64 = 0
    package var pagesFromMemory: Int64 = 0
    /// How late the loop was for a timer, at most, since the last call.
    package var delaySecondsMax = 0.0
    /// The subscription that is furthest behind of those that are not live.
    package var slowest: SubscriberEntry?

    package init() {}
}
