import Foundation
import Testing
import TickertapeCore
import TickertapeLog
import TickertapeTestSupport

@testable import TickertapeAccess

/// Tokens made, revoked, expired and shown, and keys put in place and taken out, in any order.
@Suite struct AccessWalkTests {
    /// A credential, and all that a model has to know of it.
    private struct Issued {
        let text: String
        let expires: Int64
        let notBefore: Int64
        /// Its number among the access tokens, or that of the key that signed it.
        let token: Int64?
        let key: Int?
        var isRevoked = false
        /// What it was granted with, where it was.
        var access: Access?
    }

    private struct World {
        let bench: Bench
        let forges: [Forge]
        var issued: [Issued] = []
        var trusted: Set<Int> = [0]
        var now: Int64 = 1_000_000

        func isGood(_ one: Issued) -> Bool {
            guard one.notBefore <= self.now, self.now < one.expires, !one.isRevoked else {
                return false
            }
            return one.key.map { self.trusted.contains($0) } ?? true
        }

        /// Why a stream that was opened with it ends, by the model.
        func end(of one: Issued) -> AccessEnd? {
            if self.now >= one.expires { return .expired }
            let isKeyGone = one.key.map { !self.trusted.contains($0) } ?? false
            return one.isRevoked || isKeyGone ? .revoked : nil
        }

        mutating func makeToken(_ generator: inout SeededGenerator) {
            let secret = TokenSecret()
            let id = Int64(self.issued.count + 1)
            let expires: Int64? = generator.oneIn(3) ? nil : self.now + Int64(generator.int(0...40))
            let stored = StoredToken(
                id: id,
                hash: secret.hash,
                hint: secret.hint,
                grant: .everything,
                createdMilliseconds: self.now,
                expiresMilliseconds: expires,
                note: ""
            )
            self.bench.tokens.change { $0.put(stored) }
            self.issued.append(
                Issued(
                    text: secret.text,
                    expires: expires ?? .max,
                    notBefore: .min,
                    token: id,
                    key: nil
                )
            )
        }

        mutating func signToken(_ generator: inout SeededGenerator) throws {
            let key = generator.int(0...(self.forges.count - 1))
            let expires = self.now + Int64(generator.int(0...40))
            let notBefore = self.now + Int64(generator.int(-10...10))
            let number = self.issued.count
            let payload = """
                {"exp":\(Double(expires) / 1_000),"nbf":\(Double(notBefore) / 1_000),"jti":"\(number)"}
                """
            self.issued.append(
                Issued(
                    text: try self.forges[key].sign(payload),
                    expires: expires,
                    notBefore: notBefore,
                    token: nil,
                    key: key
                )
            )
        }

        mutating func revoke(_ generator: inout SeededGenerator) {
            let tokens = self.issued.indices.filter { self.issued[$0].token != nil }
            guard let index = tokens.randomElement(using: &generator),
                let id = self.issued[index].token
            else { return }
            let now = self.now
            self.bench.tokens.change { tokens in
                guard var token = tokens.token(id: id) else { return }
                token.revokedMilliseconds = now
                tokens.put(token)
            }
            self.issued[index].isRevoked = true
        }

        mutating func rotate(_ generator: inout SeededGenerator) throws {
            self.trusted = Set(self.forges.indices.filter { _ in generator.oneIn(2) })
            if self.trusted.isEmpty { self.trusted = [0] }
            let texts = self.trusted.sorted().map { self.forges[$0].publicText }
            try self.bench.replaceKeys(with: texts.joined(separator: "\n"))
            self.bench.authenticator.reload()
        }
    }

    @Test("A credential is good when the model says so, and streams end when it says so")
    func walk() async throws {
        for seed in Seed.several(8) {
            var generator = seed.generator
            let forges = [
                try await Forge.ed25519(), try await Forge.p256(), try await Forge.p256(),
            ]
            var limits = Limits()
            // So small that what was found is often forgotten.
            limits.verifiedCredentialsMax = generator.int(4...40)
            let bench = try Bench(keys: [forges[0].publicText], limits: limits)
            var world = World(bench: bench, forges: forges)
            for _ in 0..<300 {
                let generation = bench.authenticator.generation
                let before = world.issued.map { world.end(of: $0) }
                switch generator.int(0...9) {
                case 0, 1: world.makeToken(&generator)
                case 2, 3: try world.signToken(&generator)
                case 4: world.revoke(&generator)
                case 5: try world.rotate(&generator)
                default: world.now += Int64(generator.int(0...5))
                }
                let isRevoked = zip(before, world.issued).contains { end, one in
                    end == nil && world.end(of: one) == .revoked
                }
                if isRevoked { #expect(bench.authenticator.generation > generation, "\(seed)") }
                try await Self.check(&world, &generator, seed)
            }
        }
    }

    private static func check(
        _ world: inout World,
        _ generator: inout SeededGenerator,
        _ seed: Seed
    ) async throws {
        for index in world.issued.indices where generator.oneIn(4) {
            let one = world.issued[index]
            let access = await world.bench.verify(one.text, now: world.now).access
            #expect((access != nil) == world.isGood(one), "\(seed)")
            world.issued[index].access = access ?? one.access
            // What was just checked is known, if anything of it can be kept.
            let known = world.bench.authenticator.known(one.text, now: world.now)
            #expect((known?.access != nil) == world.isGood(one), "\(seed)")
        }
        for one in world.issued {
            guard let access = one.access else { continue }
            let end = world.bench.authenticator.end(of: access, now: world.now)
            #expect(end == world.end(of: one), "\(seed)")
        }
    }
}
