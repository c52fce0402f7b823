import Synchronization
import TickertapeWire

/// How many event streams and uploads of lines are open at the door.
///
/// Any thread. Fewer may be than connections: who follows does not lock out who looks after things.
final class OpenStreams: Sendable {
    private let countMax: Int
    private let count = Atomic<Int>(0)

    init(countMax: Int) {
        self.countMax = countMax
    }

    fileprivate func claim() throws {
        guard self.count.add(1, ordering: .relaxed).newValue > self.countMax else { return }
        self.release()
        var problem = AdminProblem(
            .tooManyStreams,
            "\(self.countMax) event streams and uploads of lines are open at this door"
        )
        problem.retryAfterSeconds = 10
        throw problem
    }

    fileprivate func release() {
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
