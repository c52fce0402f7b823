import Metrics

/// What is recorded of commits; costs nothing while nobody collects metrics.
///
/// Writer thread only.
struct CommitMetrics {
    private let publishToCommit = Timer(label: "tickertape_publish_to_commit_seconds")
    private let commit = Timer(label: "tickertape_commit_seconds")
    private let messages = Recorder(label: "tickertape_commit_messages", aggregate: true)

    /// A transaction was made durable, this long after its first message came.
    func committed(_ messages: Int, in time: Duration) {
        self.commit.recordNanoseconds(time.inNanoseconds)
        self.messages.record(messages)
    }

    /// So many publishes were durable this long after their event loop handed them over.
    func published(_ count: Int, in time: Duration) {
        let nanoseconds = time.inNanoseconds
        for _ in 0..<count { self.publishToCommit.recordNanoseconds(nanoseconds) }
    }
}
