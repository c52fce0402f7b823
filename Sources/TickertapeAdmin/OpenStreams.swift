import Synchronization
import TickertapeWire

/// How many event streams and uploads of lines are open at the door.
///
/// Any thread. Fewer may be than connections: who follows does not lock out who looks after things.
final class OpenStreams: Sendable {
    static let countMax = 24

    private let count = Atomic<Int>(0)

    /// - Throws: `too_many_streams`.
    func claim() throws {
        guard self.count.add(1, ordering: .relaxed).newValue > Self.countMax else { return }
        self.release()
        var problem = AdminProblem(
            .tooManyStreams,
            "\(Self.countMax) event streams and uploads of lines are open at this door"
        )
        problem.retryAfterSeconds = 10
        throw problem
    }

    func release() {
        let left = self.count.subtract(1, ordering: .relaxed).newValue
        assert(left >= 0, "what is released was claimed")
    }
}

/// One place among the open streams, given back once: at the latest when nobody holds it any more.
final class StreamPlace: Sendable {
    private let streams: OpenStreams
    private let isGivenBack = Atomic<Bool>(false)

    /// - Throws: `too_many_streams`.
    init(_ streams: OpenStreams) throws {
        try streams.claim()
        self.streams = streams
    }

    deinit { self.giveBack() }

    func giveBack() {
        guard !self.isGivenBack.exchange(true, ordering: .relaxed) else { return }
        self.streams.release()
    }
}
