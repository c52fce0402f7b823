import JWTKit
import Synchronization

/// Checks signatures, one after the other.
///
/// A signature costs up to a tenth of a millisecond, and anyone may ask for one: so they take one
/// thread of the pool at most, those with good tokens wait in line with the others, and the line has
/// an end.
actor SignatureDesk {
    typealias Finding = VerifiedCredentials.Finding

    // `known` tells what was found by now: many may wait with the same token. `judge` tells what
    // follows from the key that signed it, or from none having done so.
    func finding(
        of token: SignedToken,
        among candidates: [VerificationKey],
        known: @Sendable () -> Finding?,
        judge: @Sendable (VerificationKey?) -> Finding
    ) async -> Finding {
        if let finding = known() { return finding }
        for key in candidates where await self.isSigned(token, with: key) { return judge(key) }
        return judge(nil)
    }

    private func isSigned(_ token: SignedToken, with key: VerificationKey) async -> Bool {
        guard let checker = try? await key.checker() else { return false }
        // What has not even the length of a signature is an error to the library.
        return (try? checker.verify(token.signature, signs: token.signed)) == true
    }
}

/// How many wait at once; any thread.
final class WaitingLine: Sendable {
    private let waiting = Atomic<Int>(0)
    private let countMax: Int

    init(countMax: Int) {
        self.countMax = countMax
    }

    /// - Returns: Whether there is room; then `leave` is called once.
    func enter() -> Bool {
        let (_, count) = self.waiting.add(1, ordering: .relaxed)
        if count > self.countMax { self.leave() }
        return count <= self.countMax
    }

    func leave() { self.waiting.subtract(1, ordering: .relaxed) }

    var count: Int { self.waiting.load(ordering: .relaxed) }
}
