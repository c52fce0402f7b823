import Testing
import TickertapeCore
import TickertapeLog
import TickertapeTestSupport
import TickertapeWire

@testable import TickertapeAccess

/// What is kept of credentials that were checked.
@Suite struct VerifiedCredentialsTests {
    private static let refused = VerifiedCredentials.Finding.bad(SignedToken.Refusal("no"))

    private static func granted() -> VerifiedCredentials.Finding {
        .good(Access(grant: .none, source: .anonymous), notBeforeMilliseconds: 0)
    }

    @Test("There is a bound, and what is refused pushes out nothing that is good")
    func bounds() {
        var kept = VerifiedCredentials(countMax: 100, version: 0)
        for index in 0..<30 {
            kept.keep(Self.granted(), for: CredentialHash("good \(index)"), version: 0)
        }
        for index in 0..<10_000 {
            kept.keep(Self.refused, for: CredentialHash("bad \(index)"), version: 0)
            #expect(kept.count <= 100)
        }
        for index in 0..<30 {
            #expect(kept.finding(CredentialHash("good \(index)"), version: 0) != nil)
        }
        for index in 0..<10_000 {
            kept.keep(Self.granted(), for: CredentialHash("other \(index)"), version: 0)
            #expect(kept.count <= 100)
            // What is asked for again and again stays.
            #expect(kept.finding(CredentialHash("good 0"), version: 0) != nil)
        }
        #expect(kept.finding(CredentialHash("good 1"), version: 0) == nil)
    }

    @Test(
        "With other keys all is forgotten, and nothing comes back that was found with those before"
    )
    func versions() {
        var kept = VerifiedCredentials(countMax: 100, version: 3)
        let hash = CredentialHash("token")
        kept.keep(Self.granted(), for: hash, version: 3)
        #expect(kept.finding(hash, version: 3) != nil)
        #expect(kept.finding(hash, version: 4) == nil)
        kept.keep(Self.granted(), for: hash, version: 3)
        #expect(kept.finding(hash, version: 4) == nil)
        kept.keep(Self.refused, for: hash, version: 5)
        #expect(kept.finding(hash, version: 5) != nil)
        #expect(kept.count == 1)
    }

    @Test("The line of those that wait has an end, and places in it come back")
    func line() async throws {
        let line = WaitingLine(countMax: 2)
        #expect(line.enter())
        #expect(line.enter())
        #expect(!line.enter())
        line.leave()
        #expect(line.enter())
        #expect(line.count == 2)

        var limits = Limits()
        limits.waitingCredentialsMax = 0
        let forge = try await Forge.secret()
        let full = try Bench(forge, limits: limits)
        guard case .refused(let problem) = await full.verify(try forge.sign()) else {
            Issue.record("there was room for more than none")
            return
        }
        #expect(problem.code == .tooManyCredentials)
        #expect(problem.retryAfterSeconds == 1)
        // That is no word about the token, and is not kept.
        #expect(full.authenticator.known(try forge.sign(), now: Bench.now) == nil)
    }

    @Test("Many may ask at once, for the same and for others, and each is told the truth")
    func together() async throws {
        let forges = try await Forge.all()
        let bench = try Bench(forges[0], forges[1], forges[2], forges[3])
        let good = try forges.map { try $0.sign() }
        let bad = try forges.map { try $0.sign(Forge.payload(exp: 1)) }
        let wrong = await withTaskGroup(of: Bool.self) { group in
            for index in 0..<400 {
                group.addTask {
                    let token = index % 2 == 0 ? good[index / 2 % 4] : bad[index / 2 % 4]
                    return (await bench.verify(token).access != nil) != (index % 2 == 0)
                }
            }
            return await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
        }
        #expect(wrong == 0)
    }
}
