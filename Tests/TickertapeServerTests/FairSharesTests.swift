import Testing
import TickertapeCore
import TickertapeTestSupport

@testable import TickertapeServer

struct FairSharesTests {
    private static let second: UInt64 = 1_000_000_000

    @Test("A second's worth comes at once, then as fast as the rate")
    func bucket() {
        var bucket = TokenBucket(perSecond: 10, burstMin: 1, now: 0)
        for _ in 0..<10 {
            #expect(bucket.wait(for: 1, now: 0) == 0)
            bucket.take(1)
        }
        #expect(bucket.wait(for: 1, now: 0) == 0.1)
        #expect(bucket.wait(for: 1, now: Self.second / 10) == 0)
        bucket.take(1)
        #expect(bucket.wait(for: 1, now: Self.second / 10) > 0)
        // No more than a second's worth is saved up.
        #expect(bucket.wait(for: 10, now: 100 * Self.second) == 0)
        bucket.take(10)
        #expect(bucket.wait(for: 1, now: 100 * Self.second) > 0)
    }

    @Test("More than fits is taken from a full bucket, and owed")
    func debt() {
        var bucket = TokenBucket(perSecond: 10, burstMin: 1, now: 0)
        #expect(bucket.wait(for: 100, now: 0) == 0)
        bucket.take(100)
        #expect(bucket.wait(for: 1, now: Self.second) > 8)
        #expect(bucket.wait(for: 1, now: 9 * Self.second + Self.second / 5) == 0)
    }

    @Test("Over any time, no more passes than the rate and one burst")
    func walk() {
        let seed = Seed()
        var random = seed.generator
        for _ in 0..<50 {
            let rate = Double.random(in: 0.5...1_000, using: &random)
            var bucket = TokenBucket(perSecond: rate, burstMin: 1, now: 0)
            var now: UInt64 = 0
            var passed = 0.0
            for _ in 0..<2_000 {
                now += UInt64.random(in: 0...(Self.second / 20), using: &random)
                if bucket.wait(for: 1, now: now) == 0 {
                    bucket.take(1)
                    passed += 1
                }
            }
            let seconds = Double(now) / Double(Self.second)
            #expect(passed <= max(rate, 1) + rate * seconds + 1)
            // And who asks often enough gets most of it.
            #expect(passed >= min(2_000, rate * seconds) * 0.5 - 2)
        }
    }

    @Test("Connections and streams are counted by network, loopback without a bound of its own")
    func counts() throws {
        var limits = Limits()
        limits.clientConnectionsMax = 2
        limits.clientStreamsMax = 1
        let shares = FairShares(limits: limits)
        let one = shares.share(of: IPAddress("2001:db8:1:2::1"))
        let same = shares.share(of: IPAddress("2001:db8:1:2:ffff::2"))
        let other = shares.share(of: IPAddress("2001:db8:1:3::1"))
        #expect(one === same)
        #expect(one !== other)
        #expect(!one.connected())
        #expect(!one.connected())
        #expect(one.connected())
        one.disconnected()
        one.disconnected()
        #expect(!one.connected())
        #expect(one.openStream())
        #expect(!one.openStream())
        one.closeStream()
        #expect(one.openStream())
        #expect(other.openStream())

        let unset = FairShares(limits: Limits())
        #expect(unset.share(of: IPAddress("127.0.0.1")).connectionBound == .max)
        #expect(unset.share(of: IPAddress("192.0.2.1")).connectionBound == 50_000)
    }

    @Test("Clients that use nothing are forgotten, the others never")
    func forgetting() throws {
        let shares = FairShares(limits: Limits())
        let kept = shares.share(ofToken: "kept")
        #expect(kept.openStream())
        for number in 0..<20_000 { _ = shares.share(ofToken: "\(number)") }
        #expect(shares.share(ofToken: "kept") === kept)
        #expect(shares.count < 9_000)
    }

    @Test("A policy has a rate of its own, for each client")
    func policies() throws {
        let policy = Policy(pattern: try TopicPattern("a/*"), maxPublishesPerSecond: 2)
        let shares = FairShares(limits: Limits())
        let greedy = shares.share(ofToken: "greedy")
        #expect(greedy.publish(bytes: 1, under: policy) == 0)
        #expect(greedy.publish(bytes: 1, under: policy) == 0)
        #expect(greedy.publish(bytes: 1, under: policy) > 0)
        #expect(greedy.publish(bytes: 1, under: nil) == 0)
        #expect(shares.share(ofToken: "polite").publish(bytes: 1, under: policy) == 0)
    }

    @Test("A batch counts as a whole: taken and owed, or nothing of it is")
    func batches() throws {
        let policy = Policy(pattern: try TopicPattern("a/*"), maxPublishesPerSecond: 2)
        let share = FairShares(limits: Limits()).share(ofToken: "one")
        let both = [
            ClientShare.Load(policy: nil, messages: 5, bytes: 5),
            ClientShare.Load(policy: policy, messages: 200, bytes: 200),
        ]
        #expect(share.publish(both) == 0, "it is more than a second's worth, and owed")
        #expect(share.publish(both) > 0)
        #expect(share.publish(bytes: 1, under: policy) > 90)
        let other = FairShares(limits: Limits()).share(ofToken: "other")
        #expect(other.publish(bytes: 1, under: policy) == 0)
        #expect(other.publish(both) > 0)
        #expect(other.publish(bytes: 1, under: policy) == 0, "what was refused took nothing")
    }
}
