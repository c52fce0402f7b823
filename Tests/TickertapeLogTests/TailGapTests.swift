import Testing
import TickertapeCore
import TickertapeLog
import TickertapeTestSupport

/// Who asks for the last messages of topics is told of nothing that lies before them.
struct TailGapTests {
    /// One message of `quiet`, then nine of `busy`, of which all but the last one or two are gone.
    private func withLog(
        purgedBefore id: Int64,
        _ work: (SQLiteLog) async throws -> Void
    ) async throws {
        let folder = try LogFolder()
        try await folder.withLog { log in
            _ = await log.append(try draft("quiet"))
            for _ in 0..<9 { _ = await log.append(try draft("busy")) }
            _ = try await log.purge("busy", before: id)
            try await work(log)
        }
    }

    @Test("What was gone before a tail began is no gap", arguments: [["*"], ["busy", "quiet"]])
    func before(_ patterns: [String]) async throws {
        try await self.withLog(purgedBefore: 9) { log in
            let filter = try filter(patterns)
            let tail = try await log.tail(of: filter, count: 1)
            let request = PageRequest(
                filter: filter,
                after: tail.after,
                messagesMax: 10,
                bytesMax: 1_000,
                tail: tail
            )
            let page = try await log.page(request)
            #expect(page.messages.map(\.id) == [1, 10])
            #expect(page.removedThrough == nil)
        }
    }

    @Test("What goes after a tail began is one", arguments: [["*"], ["busy", "quiet"]])
    func after(_ patterns: [String]) async throws {
        try await self.withLog(purgedBefore: 3) { log in
            let filter = try filter(patterns)
            let tail = try await log.tail(of: filter, count: 4)
            #expect(tail.after == 0)
            _ = try await log.purge("busy", before: 9)
            let request = PageRequest(
                filter: filter,
                after: tail.after,
                messagesMax: 10,
                bytesMax: 1_000,
                tail: tail
            )
            let page = try await log.page(request)
            #expect(page.messages.map(\.id) == [1, 9, 10])
            #expect(page.removedThrough == 8)
        }
    }
}
