import Foundation
import Synchronization
package import TickertapeCore

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

extension SQLiteLog: LogAdministration {
    package var policies: PolicySet { self.shared.policies }
    package var tokens: TokenBoard { self.shared.tokens }
    package var topics: TopicTable { self.shared.catalog.table }

    package func setPolicy(_ policy: Policy) async throws(LogError) -> Bool {
        try await self.write { writer throws(LogError) in try writer.setPolicy(policy) }
    }

    package func removePolicy(_ pattern: TopicPattern) async throws(LogError) -> Bool {
        try await self.write { writer throws(LogError) in try writer.removePolicy(pattern) }
    }

    package func createToken(_ token: NewToken) async throws(LogError) -> StoredToken? {
        try await self.write { writer throws(LogError) in try writer.createToken(token) }
    }

    package func revokeToken(id: Int64) async throws(LogError) -> StoredToken? {
        try await self.write { writer throws(LogError) in try writer.revokeToken(id: id) }
    }

    package func createTopic(_ topic: TopicName) async throws(LogError) -> Bool {
        try await self.write { writer throws(LogError) in try writer.createTopic(topic) }
    }

    package func deleteTopic(_ topic: TopicName) async throws(LogError) -> TopicRemoval? {
        try await self.write { writer throws(LogError) in try writer.deleteTopic(topic) }
    }

    package func endTopic(
        _ topic: TopicName,
        reason: TopicEnd.Reason
    ) async throws(LogError) -> TopicEnd? {
        precondition(reason != .deleted, "a topic is deleted by deleteTopic")
        return try await self.write { writer throws(LogError) in
            try writer.endTopic(topic, reason)
        }
    }

    package func reopenTopic(_ topic: TopicName) async throws(LogError) -> Bool? {
        try await self.write { writer throws(LogError) in try writer.reopenTopic(topic) }
    }

    package func purgeTopic(
        _ topic: TopicName,
        before id: Int64
    ) async throws(LogError) -> TopicRemoval? {
        while true {
            let begun = try await self.write { writer throws(LogError) in
                try writer.beginPurge(topic, before: id)
            }
            guard case .counting(let purge) = begun else { return begun.removal }
            let counted: PageReader.Count
            do throws(LogError) {
                counted = try await self.count(purge)
            } catch {
                _ = try? await self.write { writer throws(LogError) in writer.abandonPurge(purge) }
                throw error
            }
            let ended = try await self.write { writer throws(LogError) in
                try writer.endPurge(purge, counted)
            }
            // Another purge of the topic came first: what is left is counted anew.
            if case .counting = ended { continue }
            return ended.removal
        }
    }

    package func planPurge(
        _ topic: TopicName,
        before id: Int64
    ) async throws(LogError) -> TopicRemoval? {
        let planned = try await self.write { writer in writer.planPurge(topic, before: id) }
        guard case .counting(let purge) = planned else { return planned.removal }
        let counted = try await self.count(purge)
        return TopicRemoval(
            topic: topic,
            messages: counted.messages,
            bytes: counted.bytes,
            removedThrough: counted.messages == 0 ? 0 : counted.through
        )
    }

    package func details(of numbers: [Int64]) async throws(LogError) -> [TopicDetails] {
        precondition(numbers.count <= 1_000, "one transaction reads of 1,000 topics at most")
        return try await self.read { reader throws(SQLiteFailure) in
            try reader.details(of: numbers)
        }
    }

    package func firstID(atOrAfter timeMilliseconds: Int64) async throws(LogError) -> Int64 {
        try await self.read { reader throws(SQLiteFailure) in
            try reader.firstID(atOrAfter: timeMilliseconds)
        }
    }

    package func time(after cursor: Int64) async throws(LogError) -> Int64? {
        try await self.read { reader throws(SQLiteFailure) in try reader.time(after: cursor) }
    }

    package func planRetention(_ policies: PolicySet) async throws(LogError) -> [TopicRemoval] {
        var plan = RetentionPlan(
            policies,
            topics: self.topics,
            atMilliseconds: wallClockMilliseconds()
        )
        while !plan.isDone {
            // Each look waits in line again, so that subscribers get their pages in between.
            let before = plan
            plan = try await self.read { reader throws(SQLiteFailure) in
                var plan = before
                try plan.look(with: reader)
                return plan
            }
        }
        return plan.removals
    }

    package func statistics() -> LogStatistics {
        let totals = self.shared.catalog.totals
        let admitted = self.shared.queue.admitted
        var statistics = LogStatistics()
        statistics.head = self.head
        statistics.topicCount = totals.topics
        statistics.messageCount = totals.messages
        statistics.byteCount = totals.bytes
        statistics.messagesIn = totals.messagesIn
        statistics.bytesIn = totals.bytesIn
        statistics.queuedMessages = admitted.messages
        statistics.queuedBytes = admitted.bytes
        statistics.activeTokens = self.tokens.current.activeCount(
            atMilliseconds: wallClockMilliseconds()
        )
        statistics.pagesRead = Int64(self.shared.pagesRead.load(ordering: .relaxed))
        self.shared.counters.withLock { counters in
            statistics.repeatsIn = counters.repeats
            statistics.refusals = counters.refusals
            statistics.commits = counters.commits
            statistics.commitSeconds = counters.commitTime.inSeconds
            statistics.commitSecondsMax = counters.commitTimeMax.inSeconds
            counters.commitTimeMax = .zero
            statistics.messagesRemoved = counters.messagesRemoved
            statistics.bytesRemoved = counters.bytesRemoved
            statistics.topicsDue = counters.topicsDue
            statistics.databaseFreeBytes = counters.freePages * DatabaseFile.pageBytes
        }
        self.measure(&statistics)
        return statistics
    }

    private func measure(_ statistics: inout LogStatistics) {
        let path = self.directory.databasePath
        var file = stat()
        if stat(path, &file) == 0 { statistics.databaseBytes = Int64(file.st_size) }
        if stat(path + "-wal", &file) == 0 { statistics.writeAheadLogBytes = Int64(file.st_size) }
        var disk = statvfs()
        if statvfs(path, &disk) == 0 {
            statistics.diskFreeBytes = Int64(disk.f_bavail) * Int64(disk.f_frsize)
        }
    }

    private func count(_ purge: PurgeCount) async throws(LogError) -> PageReader.Count {
        var count = PageReader.Count(through: purge.after)
        while !count.isDone {
            let before = count
            count = try await self.read { reader throws(SQLiteFailure) in
                var count = before
                try reader.count(purge.number, upTo: purge.through, &count)
                return count
            }
        }
        return count
    }

    /// Has a reader do something.
    private func read<Value: Sendable>(
        _ work: @escaping @Sendable (PageReader) throws(SQLiteFailure) -> Value
    ) async throws(LogError) -> Value {
        let result = await withCheckedContinuation { continuation in
            self.read(for: ReadTicket(), { continuation.resume(returning: $0) }, work)
        }
        return try result.get()
    }

    /// Has the writer do something between two transactions.
    private func write<Value: Sendable>(
        _ work: @escaping @Sendable (LogWriter) throws(LogError) -> Value
    ) async throws(LogError) -> Value {
        let result: Result<Value, LogError> = await withCheckedContinuation { continuation in
            let action = self.shared.queue.append { writer in
                continuation.resume(returning: Result { () throws(LogError) in try work(writer) })
            }
            switch action {
            case .taken: break
            case .refused:
                let reason = "too many requests of operators wait for the writer"
                continuation.resume(returning: .failure(.unavailable(reason)))
            case .ended: continuation.resume(returning: .failure(.closed))
            }
        }
        return try result.get()
    }
}
