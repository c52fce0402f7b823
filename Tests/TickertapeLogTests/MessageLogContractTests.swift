import Testing
import TickertapeCore
import TickertapeLog
import TickertapeTestSupport

/// The contract of `MessageLog`, on every log alike.
@Suite(.serialized)
struct MessageLogContractTests {
    typealias Contract = MessageLogContract

    enum Kind: CaseIterable, Sendable {
        case sqlite
        /// Few topics are merged and few rows examined, so that pages are cut and scanned.
        case sqliteScanning
        case simulated
    }

    func withLog(
        _ kind: Kind,
        _ limits: Limits = Limits(),
        _ work: (any MessageLog) async throws -> Void
    ) async throws {
        var limits = limits
        if kind == .sqliteScanning { limits.mergedTopicsMax = 0 }
        guard kind != .simulated else {
            try await work(SimulatedLog(.immediate, queueMessagesMax: limits.queueMessagesMax))
            return
        }
        try await LogFolder(limits).withLog(work)
    }

    @Test("Ids strictly increase over all topics", arguments: Kind.allCases)
    func idsIncrease(kind: Kind) async throws {
        try await self.withLog(kind) { try await MessageLogContract.idsIncrease($0) }
    }

    @Test("A submission is announced as one batch with its content", arguments: Kind.allCases)
    func announcements(kind: Kind) async throws {
        try await self.withLog(kind) { try await MessageLogContract.announcements($0) }
    }

    @Test(
        "From many threads, batches come in order and before their answers",
        arguments: [Kind.sqlite]
    )
    func order(kind: Kind) async throws {
        var limits = Limits()
        limits.batchMessagesMax = 7
        limits.batchMilliseconds = 1
        try await self.withLog(kind, limits) { try await MessageLogContract.order($0) }
    }

    @Test("What was answered is read at once", arguments: Kind.allCases)
    func readYourWrites(kind: Kind) async throws {
        try await self.withLog(kind) { try await MessageLogContract.readYourWrites($0) }
    }

    @Test("A full queue admits nothing until it was answered", arguments: Kind.allCases)
    func queueBound(kind: Kind) async throws {
        var limits = Limits()
        limits.queueMessagesMax = 10
        try await self.withLog(kind, limits) {
            try await MessageLogContract.queueBound($0, messagesMax: 10)
        }
    }

    @Test("What nobody waits for is not read", arguments: Kind.allCases)
    func unwantedReads(kind: Kind) async throws {
        try await self.withLog(kind) { try await MessageLogContract.unwantedReads($0) }
    }

    @Test("Closing commits what was appended, and takes nothing more", arguments: Kind.allCases)
    func closing(kind: Kind) async throws {
        try await self.withLog(kind) { try await MessageLogContract.closing($0) }
    }

    @Test("An empty log has empty pages", arguments: Kind.allCases)
    func emptyLog(kind: Kind) async throws {
        try await self.withLog(kind) { try await MessageLogContract.emptyLog($0) }
    }

    @Test("A page has what its filter selects after the cursor, in order", arguments: Kind.allCases)
    func filters(kind: Kind) async throws {
        try await self.withLog(kind) { try await MessageLogContract.filters($0) }
    }

    @Test("A page ends at its bounds without passing over anything", arguments: Kind.allCases)
    func pageBounds(kind: Kind) async throws {
        try await self.withLog(kind) { try await MessageLogContract.pageBounds($0) }
    }

    @Test("A tail is the last messages of each topic", arguments: Kind.allCases)
    func tails(kind: Kind) async throws {
        try await self.withLog(kind) { try await MessageLogContract.tails($0) }
    }

    @Test("One message is found by its id", arguments: Kind.allCases)
    func singleMessages(kind: Kind) async throws {
        try await self.withLog(kind) { try await MessageLogContract.singleMessages($0) }
    }

    @Test("Every text is kept byte by byte", arguments: Kind.allCases)
    func texts(kind: Kind) async throws {
        try await self.withLog(kind) { try await MessageLogContract.texts($0) }
    }

    @Test("A repeat with the same content gets the first id", arguments: Kind.allCases)
    func repeats(kind: Kind) async throws {
        try await self.withLog(kind) { try await MessageLogContract.repeats($0) }
    }

    @Test("Repeats that overlap are repeats too", arguments: Kind.allCases)
    func overlappingRepeats(kind: Kind) async throws {
        try await self.withLog(kind) { try await MessageLogContract.overlappingRepeats($0) }
    }

    @Test("Idempotency keys are compared byte by byte", arguments: Kind.allCases)
    func unusualKeys(kind: Kind) async throws {
        try await self.withLog(kind) { try await MessageLogContract.unusualKeys($0) }
    }
}
