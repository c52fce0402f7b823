/// The subscriptions of a loop that are open and not live, in no order.
///
/// Confined to its event loop. Kept so that those who lag are found without a look at all those
/// who do not.
struct BehindList {
    private(set) var all: [Subscription] = []

    mutating func add(_ subscription: Subscription) {
        precondition(subscription.behindIndex < 0, "a subscription is in the list once")
        subscription.behindIndex = self.all.count
        self.all.append(subscription)
    }

    mutating func remove(_ subscription: Subscription) {
        let index = subscription.behindIndex
        precondition(self.all[index] === subscription, "a subscription knows its place")
        let last = self.all.count - 1
        if index != last {
            self.all[index] = self.all[last]
            self.all[index].behindIndex = index
        }
        self.all.removeLast()
        subscription.behindIndex = -1
    }
}
