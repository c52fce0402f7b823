import Foundation
import NIOCore
import TickertapeAccess
import TickertapeBroker
import TickertapeCore
import TickertapeWire

/// A connection that has deadlines and is told when the broker stops.
protocol LoopConnection: AnyObject {
    /// In ticks of the loop; `Int.max` for none.
    var deadline: Int { get }

    func deadlineReached()
    func drain()
}

/// What the connections of one event loop share.
///
/// Safety: confined to its event loop.
final class LoopServer: @unchecked Sendable {
    let fanout: LoopFanout
    let limits: Limits
    let router: Router
    let count: ConnectionCount
    let admission: Admission
    private var watch: AccessWatch
    /// Shared: no message depends on another.
    private(set) lazy var inflater = WebSocketInflater()

    var response: Response
    private(set) var isDraining = false
    /// Of pages of history that are read, or not taken.
    private var historyBytes = 0
    /// Counts ticks; deadlines are told in them, so that no request asks for the time.
    private(set) var tick = 0
    private var connections: [ObjectIdentifier: any LoopConnection] = [:]

    static let ticksPerSecond = 4
    static let tickInterval = TimeAmount.milliseconds(1_000 / Int64(ticksPerSecond))
    private var lastTick: NIODeadline?

    init(
        fanout: LoopFanout,
        limits: Limits,
        features: Features,
        count: ConnectionCount,
        admission: Admission
    ) {
        self.fanout = fanout
        self.limits = limits
        self.admission = admission
        self.watch = AccessWatch(limits: limits)
        self.router = Router(limits: limits, features: features)
        self.count = count
        self.response = Self.currentResponse()
    }

    func deadline(seconds: Double) -> Int {
        self.tick + max(1, Int((seconds * Double(Self.ticksPerSecond)).rounded(.up)))
    }

    func add(_ connection: any LoopConnection) {
        self.connections[ObjectIdentifier(connection)] = connection
    }

    func remove(_ connection: any LoopConnection) {
        self.connections[ObjectIdentifier(connection)] = nil
    }

    func advance() {
        self.tick += 1
        let now = self.fanout.eventLoop.now
        if let last = self.lastTick { self.fanout.noteDelay(now - last - Self.tickInterval) }
        self.lastTick = now
        self.response = Self.currentResponse()
        self.admission.refreshPolicies()
        self.endAccess()
        for connection in self.connections.values where connection.deadline <= self.tick {
            connection.deadlineReached()
        }
    }

    // MARK: - History

    /// Takes room for a page of history.
    ///
    /// - Returns: How many bytes it may have: little while many pages are not taken.
    func holdHistory() -> Int {
        let isRoomy =
            self.historyBytes + self.limits.historyBytesMax <= self.limits.historyBytesHeldMax
        let bytes = isRoomy ? self.limits.historyBytesMax : self.limits.historyBytesMin
        self.historyBytes += bytes
        return bytes
    }

    func letGoHistory(_ bytes: Int) {
        self.historyBytes -= bytes
        assert(self.historyBytes >= 0, "what is let go was held")
    }

    // MARK: - What was granted

    /// Tells `holder` when what it was granted ends; in place of what it was granted before.
    func watch(_ access: Access?, for holder: any AccessHolder) {
        if let access { self.watch.add(holder, access) }
    }

    func stopWatching(for holder: any AccessHolder) {
        self.watch.remove(holder)
    }

    private func endAccess() {
        let due = self.watch.due(self.admission.authenticator, now: self.admission.nowMilliseconds)
        for item in due {
            switch item {
            case .expires(let holder, let seconds): holder.accessExpires(inSeconds: seconds)
            case .ended(let holder, let end): holder.accessEnded(end)
            }
        }
    }

    func drain() {
        self.isDraining = true
        for connection in self.connections.values { connection.drain() }
    }

    private static func currentResponse() -> Response {
        let milliseconds = Int64(Date().timeIntervalSince1970 * 1_000)
        return Response(date: httpDate(milliseconds: milliseconds))
    }
}
