import NIOCore
import Synchronization
import TickertapeCore

/// What every client uses, so that none spoils the service for the others.
///
/// Any thread.
final class FairShares: Sendable {
    /// Who counts as one client.
    enum Client: Hashable, Sendable {
        case network([UInt8])
        case token(String)
        /// A Unix socket has no address.
        case local
    }

    private let limits: Limits
    private let clients = Mutex<[Client: ClientShare]>([:])

    /// With more, those that use nothing are forgotten.
    private static let clientsKept = 4_096

    init(limits: Limits) {
        self.limits = limits
    }

    /// Clients that are remembered.
    var count: Int { self.clients.withLock { $0.count } }

    func share(of address: IPAddress?) -> ClientShare {
        guard let address else { return self.share(of: .local, isLoopback: true) }
        return self.share(of: .network(address.network), isLoopback: address.isLoopback)
    }

    func share(ofToken name: String) -> ClientShare {
        self.share(of: .token(name), isLoopback: false)
    }

    private func share(of client: Client, isLoopback: Bool) -> ClientShare {
        self.clients.withLock { clients in
            if let known = clients[client] { return known }
            if clients.count >= Self.clientsKept, clients.count.nonzeroBitCount == 1 {
                // Each time it has doubled: the work stays in proportion.
                let now = NIODeadline.now().uptimeNanoseconds
                clients = clients.filter { !$0.value.isUnused(now: now) }
            }
            let share = ClientShare(self.limits, isLoopback: isLoopback)
            clients[client] = share
            return share
        }
    }
}

/// What one client uses.
///
/// Any thread.
final class ClientShare: Sendable {
    private let connections = Atomic<Int>(0)
    private let streams = Atomic<Int>(0)
    /// Who counts on it being the one of its client.
    private let holders = Atomic<Int>(0)
    private let connectionsMax: Int
    private let streamsMax: Int
    private let publishesPerSecond: Double?
    private let bytesPerSecond: Double?
    private let messageBytesMax: Double
    private let buckets = Mutex(Buckets())

    private struct Buckets {
        var own = PublishBuckets()
        /// By the pattern of the policy.
        var byPolicy: [TopicPattern: PublishBuckets] = [:]
    }

    init(_ limits: Limits, isLoopback: Bool) {
        // What nobody has set must not meet a laptop, nor a proxy beside the broker.
        let unset: (Int) -> Int = { isLoopback ? .max : max(1, $0 / 2) }
        self.connectionsMax = limits.clientConnectionsMax ?? unset(limits.connectionsMax)
        self.streamsMax = limits.clientStreamsMax ?? unset(limits.streamsMax)
        self.publishesPerSecond = limits.clientPublishesPerSecond
        self.bytesPerSecond = limits.clientBytesPerSecond
        self.messageBytesMax = Double(limits.messageBytesMax)
    }

    func hold() { self.holders.add(1, ordering: .relaxed) }
    func letGo() { self.holders.subtract(1, ordering: .relaxed) }

    /// - Returns: Whether there are too many with it; it counts all the same, until `disconnected`.
    func connected() -> Bool {
        self.connections.add(1, ordering: .relaxed).newValue > self.connectionsMax
    }

    func disconnected() { self.connections.subtract(1, ordering: .relaxed) }

    /// - Returns: `false` when it has all it may have.
    func openStream() -> Bool {
        if self.streams.add(1, ordering: .relaxed).newValue <= self.streamsMax { return true }
        self.closeStream()
        return false
    }

    func closeStream() { self.streams.subtract(1, ordering: .relaxed) }

    var connectionBound: Int { self.connectionsMax }
    var streamBound: Int { self.streamsMax }

    /// Counts a publish of so many bytes.
    ///
    /// - Returns: Seconds after which it may be tried again; 0 when it was taken.
    func publish(bytes: Int, under policy: Policy?) -> Double {
        let hasPolicyRates = policy?.hasPublishRates ?? false
        guard hasPolicyRates || self.publishesPerSecond != nil || self.bytesPerSecond != nil else {
            return 0
        }
        return self.publish([Load(policy: policy, messages: 1, bytes: Double(bytes))])
    }

    /// What a batch publishes under one policy.
    struct Load {
        let policy: Policy?
        var messages = 0.0
        var bytes = 0.0
    }

    /// Counts a batch, all of it or nothing: one larger than a rate has to wait for a full second's
    /// worth, and is owed.
    ///
    /// - Returns: As for one.
    func publish(_ loads: [Load]) -> Double {
        let now = NIODeadline.now().uptimeNanoseconds
        let messages = loads.reduce(0) { $0 + $1.messages }
        let bytes = loads.reduce(0) { $0 + $1.bytes }
        return self.buckets.withLock { buckets in
            buckets.own.set(self.publishesPerSecond, self.bytesPerSecond, self.messageBytesMax, now)
            var wait = buckets.own.wait(messages, bytes, now)
            var changed: [TopicPattern: PublishBuckets] = [:]
            for load in loads {
                guard let policy = load.policy, policy.hasPublishRates else { continue }
                var ofPolicy = buckets.byPolicy[policy.pattern] ?? PublishBuckets()
                ofPolicy.set(
                    policy.maxPublishesPerSecond,
                    policy.maxPublishBytesPerSecond,
                    self.messageBytesMax,
                    now
                )
                wait = max(wait, ofPolicy.wait(load.messages, load.bytes, now))
                ofPolicy.take(load.messages, load.bytes)
                changed[policy.pattern] = ofPolicy
            }
            guard wait == 0 else { return wait }
            buckets.own.take(messages, bytes)
            buckets.byPolicy.merge(changed) { $1 }
            if buckets.byPolicy.count > PolicySet.countMax { buckets.byPolicy.removeAll() }
            return 0
        }
    }

    /// Whether forgetting it would give its client nothing.
    func isUnused(now: UInt64) -> Bool {
        guard self.holders.load(ordering: .relaxed) == 0,
            self.connections.load(ordering: .relaxed) == 0,
            self.streams.load(ordering: .relaxed) == 0
        else { return false }
        return self.buckets.withLock { buckets in
            guard buckets.own.isFull(now) else { return false }
            for pattern in buckets.byPolicy.keys
            where buckets.byPolicy[pattern]?.isFull(now) == false {
                return false
            }
            return true
        }
    }
}

/// The two rates of one client.
private struct PublishBuckets {
    private var messages: TokenBucket?
    private var bytes: TokenBucket?

    /// Makes them anew where the rate is another than it was.
    mutating func set(
        _ messagesPerSecond: Double?,
        _ bytesPerSecond: Double?,
        _ messageBytesMax: Double,
        _ now: UInt64
    ) {
        Self.set(&self.messages, messagesPerSecond, burstMin: 1, now)
        Self.set(&self.bytes, bytesPerSecond, burstMin: messageBytesMax, now)
    }

    private static func set(
        _ bucket: inout TokenBucket?,
        _ perSecond: Double?,
        burstMin: Double,
        _ now: UInt64
    ) {
        guard let perSecond else {
            bucket = nil
            return
        }
        if let bucket, bucket.has(perSecond: perSecond) { return }
        bucket = TokenBucket(perSecond: perSecond, burstMin: burstMin, now: now)
    }

    mutating func wait(_ messages: Double, _ bytes: Double, _ now: UInt64) -> Double {
        let first = self.messages?.wait(for: messages, now: now) ?? 0
        let second = self.bytes?.wait(for: bytes, now: now) ?? 0
        return max(first, second)
    }

    mutating func take(_ messages: Double, _ bytes: Double) {
        self.messages?.take(messages)
        self.bytes?.take(bytes)
    }

    mutating func isFull(_ now: UInt64) -> Bool {
        (self.messages?.isFull(now: now) ?? true) && (self.bytes?.isFull(now: now) ?? true)
    }
}
