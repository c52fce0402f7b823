import Testing
import TickertapeCore
import TickertapeLog
import TickertapeTestSupport

/// The contract of `MessageLog` about ends, conditions and atomic submissions.
extension MessageLogContractTests {
    @Test("A topic ends with its last message, and takes no other", arguments: Kind.allCases)
    func lastMessages(kind: Kind) async throws {
        try await self.withLog(kind) { try await Contract.lastMessages($0) }
    }

    @Test("A topic ends without a message, also one that was not there", arguments: Kind.allCases)
    func endsWithoutMessage(kind: Kind) async throws {
        try await self.withLog(kind) { try await Contract.endsWithoutMessage($0) }
    }

    @Test(
        "Ends of one transaction count within it, and are announced in order",
        arguments: Kind.allCases
    )
    func endsOfOneTransaction(kind: Kind) async throws {
        try await self.withLog(kind) { try await Contract.endsOfOneTransaction($0) }
    }

    @Test(
        "A filter has ended when all its topics have, and has no wildcard",
        arguments: Kind.allCases
    )
    func endsOfFilters(kind: Kind) async throws {
        try await self.withLog(kind) { try await Contract.endsOfFilters($0) }
    }

    @Test("Nothing of a sequence is stored after what was not", arguments: Kind.allCases)
    func sequences(kind: Kind) async throws {
        try await self.withLog(kind) { try await Contract.sequences($0) }
    }

    @Test("A closed log breaks sequences", arguments: Kind.allCases)
    func sequencesOfAClosedLog(kind: Kind) async throws {
        try await self.withLog(kind) { try await Contract.sequencesOfAClosedLog($0) }
    }

    @Test("A message is stored only where its condition holds", arguments: Kind.allCases)
    func conditions(kind: Kind) async throws {
        try await self.withLog(kind) { try await Contract.conditions($0) }
    }

    @Test("Conditions see what their transaction has stored", arguments: Kind.allCases)
    func conditionsOfOneTransaction(kind: Kind) async throws {
        try await self.withLog(kind) { try await Contract.conditionsOfOneTransaction($0) }
    }

    @Test("A repeat by its key wins over its condition", arguments: Kind.allCases)
    func conditionsAndKeys(kind: Kind) async throws {
        try await self.withLog(kind) { try await Contract.conditionsAndKeys($0) }
    }

    @Test("A topic ends only where the condition holds", arguments: Kind.allCases)
    func conditionsOfEnds(kind: Kind) async throws {
        try await self.withLog(kind) { try await Contract.conditionsOfEnds($0) }
    }

    @Test("An atomic submission is stored whole", arguments: Kind.allCases)
    func atomicStored(kind: Kind) async throws {
        try await self.withLog(kind) { try await Contract.atomicStored($0) }
    }

    @Test(
        "Of an atomic submission nothing is stored where one draft is not",
        arguments: Kind.allCases
    )
    func atomicNotStored(kind: Kind) async throws {
        try await self.withLog(kind) { try await Contract.atomicNotStored($0) }
    }

    @Test("What is undone in a transaction leaves the rest of it alone", arguments: Kind.allCases)
    func atomicAmongOthers(kind: Kind) async throws {
        try await self.withLog(kind) { try await Contract.atomicAmongOthers($0) }
    }
}
