import Foundation
import NIOCore
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
    /// Shared: no message depends on another.
    private(set) lazy var inflater = WebSocketInflater()

    var response: Response
    private(set) var isDraining = false
    /// Counts ticks; deadlines are told in them, so that no request asks for the time.
    private(set) var tick = 0
    private var connections: [ObjectIdentifier: any LoopConnection] = [:]

    static let ticksPerSecond = 4
    static let tickInterval = TimeAmount.milliseconds(1_000 / Int64(ticksPerSecond))
    private var lastTick: NIODeadline?

    init(fanout: LoopFanout, limits: Limits, features: Features, count: ConnectionCount) {
        self.fanout = fanout
        self.limits = limits
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
        for connection in self.connections.values where connection.deadline <= self.tick {
            connection.deadlineReached()
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
