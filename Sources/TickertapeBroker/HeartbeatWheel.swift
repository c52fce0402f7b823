/// Every subscription of a loop, in slots of which each turn serves one.
///
/// Confined to its event loop. Spreads heartbeats evenly without a timer for each subscription.
struct HeartbeatWheel {
    /// Turns of one heartbeat interval.
    static let slots = 15

    private var subscriptions: [[Subscription]]
    private var current = 0
    private var nextSlot = 0

    init(slotCount: Int) {
        precondition(slotCount > 0, "a wheel has slots")
        self.subscriptions = Array(repeating: [], count: slotCount)
    }

    mutating func add(_ subscription: Subscription) {
        subscription.beatSlot = self.nextSlot
        subscription.beatIndex = self.subscriptions[self.nextSlot].count
        self.subscriptions[self.nextSlot].append(subscription)
        self.nextSlot = (self.nextSlot + 1) % self.subscriptions.count
    }

    mutating func remove(_ subscription: Subscription) {
        let (slot, index) = (subscription.beatSlot, subscription.beatIndex)
        precondition(
            self.subscriptions[slot][index] === subscription, "a subscription knows its place")
        let last = self.subscriptions[slot].count - 1
        if index != last {
            self.subscriptions[slot][index] = self.subscriptions[slot][last]
            self.subscriptions[slot][index].beatIndex = index
        }
        self.subscriptions[slot].removeLast()
        subscription.beatIndex = -1
    }

    /// Goes to the next slot.
    mutating func turn() -> [Subscription] {
        self.current = (self.current + 1) % self.subscriptions.count
        return self.subscriptions[self.current]
    }

    var all: [Subscription] { self.subscriptions.flatMap { $0 } }
}
