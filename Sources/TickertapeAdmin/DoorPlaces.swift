import HummingbirdCore
import NIOCore
import Synchronization

/// Who has one of the places for connections at a listener.
///
/// Connections that have not proved themselves, over TCP all that never showed the token, hold
/// theirs only as long as nobody else needs it: where all are taken, the oldest of these is closed
/// for one that comes. So strangers never keep an operator out, however many and however patient
/// they are. Any thread.
final class DoorPlaces: AvailableConnectionsDelegate {
    private struct State: Sendable {
        /// All that are open.
        var openCount = 0
        var knownCount = 0
        /// The oldest first.
        var strangers: [any Channel] = []
    }

    private let countMax: Int
    private let knowsEverybody: Bool
    private let state = Mutex(State())

    /// - Parameters:
    ///   - countMax: More than these never stay.
    ///   - knowsEverybody: Nobody is a stranger: who comes late waits.
    init(countMax: Int, knowsEverybody: Bool) {
        self.countMax = countMax
        self.knowsEverybody = knowsEverybody
    }

    /// Takes a place, perhaps that of the oldest stranger.
    ///
    /// Where operators have all of them, one that was accepted at that moment stays nevertheless.
    func enter(_ channel: any Channel) {
        guard !self.knowsEverybody else { return }
        let evicted = self.state.withLock { state -> (any Channel)? in
            state.strangers.append(channel)
            let isOver = state.knownCount + state.strangers.count > self.countMax
            let isOther = state.strangers.first.map { $0 !== channel } ?? false
            return isOver && isOther ? state.strangers.removeFirst() : nil
        }
        evicted?.close(promise: nil)
    }

    /// The connection has proved itself and keeps its place.
    ///
    /// - Returns: `false` when its place was given away already.
    func prove(_ channel: any Channel) -> Bool {
        self.state.withLock { state in
            guard let place = state.strangers.firstIndex(where: { $0 === channel }) else {
                return false
            }
            state.strangers.remove(at: place)
            state.knownCount += 1
            return true
        }
    }

    func leave(_ channel: any Channel, isKnown: Bool) {
        guard !self.knowsEverybody else { return }
        self.state.withLock { state in
            if isKnown {
                state.knownCount -= 1
            } else {
                state.strangers.removeAll { $0 === channel }
            }
        }
    }

    // What Hummingbird asks; others wait in the listen backlog.

    func connectionOpened() { self.state.withLock { $0.openCount += 1 } }
    func connectionClosed() { self.state.withLock { $0.openCount -= 1 } }

    func isAcceptingNewConnections() -> Bool {
        self.state.withLock { state in
            (self.knowsEverybody ? state.openCount : state.knownCount) < self.countMax
        }
    }
}
