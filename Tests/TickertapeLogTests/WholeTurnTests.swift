import Foundation
import Testing
import TickertapeCore
import TickertapeLog
import TickertapeTestSupport

/// What was admitted and is on its way goes into the transaction that is open.
struct WholeTurnTests {
    /// Bounds in seconds that no test waits for, unless something is wrong.
    private func limits(turnSeconds: Double = 600) -> Limits {
        var limits = Limits()
        limits.turnMicrosecondsMax = Int(turnSeconds * 1_000_000)
        limits.batchMilliseconds = 1_200_000
        return limits
    }

    private func seconds(_ work: () async throws -> Void) async rethrows -> Double {
        let elapsed = try await ContinuousClock().measure { try await work() }
        return elapsed / .seconds(1)
    }

    @Test("The pieces of a turn are one transaction with the first of them")
    func oneTransaction() async throws {
        let told = Told()
        try await LogFolder(self.limits()).withLog { log in
            told.listen(to: log)
            let drafts = try (0..<20).map { try draft("a", "\($0)") }
            for draft in drafts { precondition(log.admit(draft)) }
            for draft in drafts.dropLast() {
                log.append([draft]) { _ in }
                // Gives the writer the time to take this piece, and to commit it alone.
                #expect(try await log.page(of: "a").messages.isEmpty, "it is not committed")
            }
            await withCheckedContinuation { continuation in
                log.append(drafts.suffix(1)) { _ in continuation.resume() }
            }
        }
        #expect(told.batches.map { $0.messages.map(\.data) } == [(0..<20).map { "\($0)" }])
    }

    @Test("Pieces that come while others are taken do not end the turn")
    func quickPieces() async throws {
        let told = Told()
        try await LogFolder(self.limits()).withLog { log in
            told.listen(to: log)
            for _ in 0..<20 {
                let drafts = try (0..<1_000).map { try draft("a", "\($0)") }
                for draft in drafts { precondition(log.admit(draft)) }
                await withCheckedContinuation { continuation in
                    for draft in drafts.dropLast() { log.append([draft]) { _ in } }
                    log.append(drafts.suffix(1)) { _ in continuation.resume() }
                }
            }
        }
        #expect(told.batches.map(\.messages.count) == Array(repeating: 1_000, count: 20))
    }

    @Test("A publish that comes alone is committed at once")
    func alone() async throws {
        try await LogFolder(self.limits()).withLog { log in
            let elapsed = try await self.seconds {
                for _ in 0..<5 { _ = await log.append(try draft("a")) }
            }
            #expect(elapsed < 300)
        }
    }

    @Test("A piece that never comes is waited for as long as a turn may take, and no longer")
    func missing() async throws {
        try await LogFolder(self.limits(turnSeconds: 0.2)).withLog { log in
            let never = try draft("a", "never")
            let comes = try draft("a", "x")
            precondition(log.admit(never))
            let elapsed = await self.seconds {
                #expect(await log.append(comes) == [.stored(id: 1)])
            }
            #expect(elapsed > 0.19 && elapsed < 300)
        }
    }

    @Test("A log that is closed does not wait for what may still come")
    func closing() async throws {
        let folder = try LogFolder(self.limits())
        let elapsed = try await self.seconds {
            try await folder.withLog { log in
                let drafts = [try draft("a", "x"), try draft("a", "never")]
                for draft in drafts { precondition(log.admit(draft)) }
                log.append(Array(drafts.prefix(1))) { _ in }
                _ = try await log.page(of: "a")
            }
        }
        #expect(elapsed < 300)
        try await folder.withLog { log in #expect(log.head == 1) }
    }
}
