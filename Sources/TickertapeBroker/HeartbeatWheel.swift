/// Every subscription of a loop, in slots of which each turn looks at one.
///
/// Confined to its event loop. Spreads heartbeats evenly without a timer for each subscription.
/// One that was written to since is not moved at once, but when its slot comes: to the slot of
/// the turn in which it is due.
struct HeartbeatWheel {
    /// Turns of one heartbeat interval.
    static let slots = 15

    private(set) var subscriptions: [[Subscription]] = Array(repeating: [], count: slots)
    /// Turns so far.
    private(set) var turns = 0

    mutating func add(_ subscription: Subscription) {
        subscription.lastWriteTurn = self.turns
        self.place(subscription, in: self.turns % Self.slots)
    }

    mutating func remove(_ subscription: Subscription) {
        let (slot, index) = (subscription.beatSlot, subscription.beatIndex)
        precondition(
            self.subscriptions[slot][index] === subscription,
            "a subscription knows its place"
        )
        let last = self.subscriptions[slot].count - 1
        if index != last {
            self.subscriptions[slot][index] = self.subscriptions[slot][last]
            self.subscriptions[slot][index].beatIndex = index
        }
        self.subscriptions[slot].removeLast()
        subscription.beatIndex = -1
    }

    /// Goes to the next slot.
    ///
    /// - Returns: Those who have not been written to for a whole interval.
    mutating func turn() -> [Subscription] {
        self.turns += 1
        var due: [Subscription] = []
        for subscription in self.subscriptions[self.turns % Self.slots] {
            guard subscription.lastWriteTurn + Self.slots > self.turns else {
                due.append(subscription)
                continue
            }
            self.remove(subscription)
            self.place(subscription, in: subscription.lastWriteTurn % Self.slots)
        }
        return due
    }

    var all: [Subscription] { self.subscriptions.flatMap { $0 } }

    private mutating func place(_ subscription: Subscription, in slot: Int) {
        subscription.beatSlot = slot
        subscription.beatIndex = self.subscriptions[slot].count
        self.subscriptions[slot].append(subscription)
    }
}
