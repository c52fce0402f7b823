import NIOCore
import Synchronization
package import TickertapeCore
import TickertapeLog

/// Publishes to one topic for long, and wants to know when it ends.
///
/// Confined to its event loop.
package protocol TopicPublisher: AnyObject {
    /// In a turn of the loop of its own: what was answered before has been told.
    func topicEnded(_ end: TopicEnd)
}

/// Those of one event loop.
///
/// Confined to it, but for `hasAny`.
final class TopicPublishers {
    private var byTopic: [TopicName: [ObjectIdentifier: any TopicPublisher]] = [:]
    private let isUsed = Atomic<Bool>(false)

    /// Any thread.
    var hasAny: Bool { self.isUsed.load(ordering: .sequentiallyConsistent) }

    /// Announcements wake the loop from here on.
    func awake() { self.isUsed.store(true, ordering: .sequentiallyConsistent) }

    func add(_ publisher: any TopicPublisher, of topic: TopicName) {
        self.awake()
        self.byTopic[topic, default: [:]][ObjectIdentifier(publisher)] = publisher
    }

    func remove(_ publisher: any TopicPublisher, of topic: TopicName) {
        self.byTopic[topic]?[ObjectIdentifier(publisher)] = nil
        if self.byTopic[topic]?.isEmpty ?? false { self.byTopic[topic] = nil }
        if self.byTopic.isEmpty { self.isUsed.store(false, ordering: .sequentiallyConsistent) }
    }

    func publishers(of topic: TopicName) -> [any TopicPublisher] {
        self.byTopic[topic].map { Array($0.values) } ?? []
    }
}

/// How an event loop publishes.
extension LoopFanout {
    /// Publishes a draft; `reply` is told once it is durable.
    ///
    /// - Returns: `false` when the write queue is full; `reply` will not be told then. That is no
    ///   refusal for who `asksAgain`.
    package func publish(
        _ draft: Draft,
        reply: any PublishReply,
        number: Int,
        asksAgain: Bool = false
    ) -> Bool {
        guard self.log.admit(draft, asksAgain: asksAgain) else { return false }
        switch self.publisher.add(draft, reply: reply, number: number) {
        case .submitLater: self.eventLoop.execute { self.submit() }
        case .submitNow: self.submit()
        case .none: break
        }
        return true
    }

    /// Publishes all drafts or none, behind what was published on this loop before; `reply` is told
    /// of each by its place, from 0.
    ///
    /// - Returns: As for one; nothing of them is published then.
    package func publish(batch drafts: [Draft], reply: any PublishReply) -> Bool {
        guard self.log.admit(drafts) else { return false }
        self.submit()
        self.publisher.submitted(count: drafts.count, reply: reply)
        self.log.append(drafts, atomic: true) { results in
            self.inbox.post(to: self) { $0.results.append(results) }
        }
        return true
    }

    private func submit() {
        let drafts = self.publisher.takeSubmission()
        guard !drafts.isEmpty else { return }
        self.log.append(drafts) { results in
            self.inbox.post(to: self) { $0.results.append(results) }
        }
    }

    /// Tells `publisher` when `topic` ends from now on, whether or not anybody follows it here.
    package func watch(_ topic: TopicName, for publisher: any TopicPublisher) {
        // What waits here was announced before: it is not told.
        self.publishers.awake()
        self.takeAnnouncements()
        self.publishers.add(publisher, of: topic)
    }

    package func stopWatching(_ topic: TopicName, for publisher: any TopicPublisher) {
        self.publishers.remove(publisher, of: topic)
    }

    /// Not at once: who is told may ask for anything, and this loop is not up to date.
    func tellPublishers(_ end: TopicEnd) {
        let told = self.publishers.publishers(of: end.topic)
        guard !told.isEmpty else { return }
        self.eventLoop.assumeIsolated().execute {
            for publisher in told { publisher.topicEnded(end) }
        }
    }
}
