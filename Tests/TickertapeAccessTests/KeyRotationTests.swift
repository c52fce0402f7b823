import Foundation
import Testing
import TickertapeCore
import TickertapeTestSupport

@testable import TickertapeAccess

/// Keys that change while the broker runs.
@Suite struct KeyRotationTests {
    @Test("A new key is taken, a removed one ends what it granted, and generation tells")
    func rotation() async throws {
        let (old, new) = (try await Forge.p256(), try await Forge.p256())
        let bench = try Bench(old)
        let (oldToken, newToken) = (try old.sign(), try new.sign())
        let access = try #require(await bench.verify(oldToken).access)
        #expect(await bench.refusal(newToken) == "the signature of the token is not good")
        var generation = bench.authenticator.generation

        try bench.replaceKeys(with: "\(old.publicText)\n\(new.publicText)")
        bench.authenticator.reload()
        #expect(bench.authenticator.generation > generation)
        generation = bench.authenticator.generation
        // What was refused with the keys of before is not remembered.
        #expect(await bench.verify(newToken).access != nil)
        #expect(bench.authenticator.end(of: access, now: Bench.now) == nil)

        try bench.replaceKeys(with: new.publicText)
        bench.authenticator.reload()
        #expect(bench.authenticator.generation > generation)
        #expect(bench.authenticator.end(of: access, now: Bench.now) == .revoked)
        #expect(bench.authenticator.known(oldToken, now: Bench.now) == nil)
        #expect(await bench.refusal(oldToken) == "the signature of the token is not good")
        #expect(await bench.verify(newToken).access != nil)
    }

    @Test("A file that is written again with the same keys changes nothing")
    func sameKeys() async throws {
        let forge = try await Forge.ed25519()
        let bench = try Bench(forge)
        let access = try #require(await bench.verify(try forge.sign()).access)
        let generation = bench.authenticator.generation
        try bench.replaceKeys(with: "# a comment\n" + forge.publicText)
        bench.authenticator.reload()
        #expect(bench.authenticator.generation == generation)
        #expect(bench.authenticator.end(of: access, now: Bench.now) == nil)
    }

    @Test("A broken file keeps its keys and is reported once; other files still change")
    func broken() async throws {
        let (first, second) = (try await Forge.p256(), try await Forge.ed25519())
        let bench = try Bench(first, second)
        let token = try first.sign()
        func errors() -> Int { bench.log.lines.count { $0.hasPrefix("error") } }
        for (count, text) in ["", "{", KeyFixtures.rsaPrivate, #"{"keys":[]}"#].enumerated() {
            try bench.replaceKeys(with: text)
            for _ in 0..<3 { bench.authenticator.lookAtKeyFiles() }
            #expect(errors() == count + 1)
            #expect(await bench.verify(token).access != nil)
        }
        try FileManager.default.removeItem(atPath: "\(bench.folder.path)/0")
        for _ in 0..<3 { bench.authenticator.lookAtKeyFiles() }
        #expect(errors() == 5)
        // Whoever asks for it to be read is told again.
        bench.authenticator.reload()
        #expect(errors() == 6)
        #expect(await bench.verify(token).access != nil)

        let third = try await Forge.secret()
        let key = Base64URL.encode(Array(Forge.secret.utf8))
        try bench.replaceKeys(1, with: #"{"keys":[{"kty":"oct","alg":"HS256","k":"\#(key)"}]}"#)
        bench.authenticator.lookAtKeyFiles()
        #expect(await bench.verify(try second.sign()).access == nil)
        #expect(await bench.verify(try third.sign()).access != nil)
        #expect(await bench.verify(token).access != nil)

        try bench.replaceKeys(with: second.publicText)
        bench.authenticator.reload()
        #expect(await bench.verify(token).access == nil)
        #expect(await bench.verify(try second.sign()).access != nil)
        #expect(errors() == 6)
    }

    @Test(
        "A change is seen without being told of it, in place or by another file",
        .timeLimit(.minutes(1))
    )
    func watching() async throws {
        let (old, new) = (try await Forge.p256(), try await Forge.p256())
        var limits = Limits()
        limits.keyFileSeconds = 0.001
        let bench = try Bench(old, limits: limits)
        let watch = Task { await bench.authenticator.watchKeyFiles() }
        let path = "\(bench.folder.path)/0"
        for (forge, inPlace) in [(new, true), (old, false), (new, false), (old, true)] {
            let generation = bench.authenticator.generation
            // Keys on one curve have PEM texts of one length: size alone does not tell.
            try Data(forge.publicText.utf8).write(
                to: URL(fileURLWithPath: path),
                options: inPlace ? [] : .atomic
            )
            while bench.authenticator.generation == generation { await Task.yield() }
            #expect(await bench.verify(try forge.sign()).access != nil)
        }
        watch.cancel()
        await watch.value
    }

    @Test("A kid picks its key; keys without one are tried for every kid, up to a bound")
    func keyIDs() async throws {
        var limits = Limits()
        limits.triedKeysMax = 2
        let secrets = (0..<3).map { "secret number \($0) of more than 32 bytes" }
        let entries = secrets.enumerated().map { index, secret in
            let key = Base64URL.encode(Array(secret.utf8))
            return #"{"kty":"oct","alg":"HS256","kid":"\#(index)","k":"\#(key)"}"#
        }
        let bench = try Bench(
            keys: [#"{"keys":[\#(entries.joined(separator: ","))]}"#],
            limits: limits
        )
        for (index, secret) in secrets.enumerated() {
            let forge = try await Forge.secret(secret)
            func refusal(_ id: Int) async throws -> String? {
                await bench.refusal(try forge.sign(header: #"{"alg":"HS256","kid":"\#(id)"}"#))
            }
            #expect(try await refusal(index) == nil)
            #expect(try await refusal((index + 1) % 3) == "the signature of the token is not good")
            #expect(try await refusal(3) == "this broker has no key of the token's kid")
            #expect(
                await bench.refusal(try forge.sign())
                    == "the token has no kid, and this broker has many keys of its alg"
            )
        }
        let plain = try await Forge.secret()
        let mixed = try Bench(keys: [#"{"keys":[\#(entries[0])]}"#], secrets: [Forge.secret])
        let token = try plain.sign(header: #"{"alg":"HS256","kid":"of somewhere"}"#)
        #expect(await mixed.refusal(token) == nil)
    }

    @Test("Secrets that others can read are warned of, with the file and without the secret")
    func warnings() async throws {
        let bench = try Bench(keys: [], secrets: [Forge.secret])
        #expect(bench.log.lines == [])
        let path = "\(bench.folder.path)/s0"
        try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: path)
        let open = try Bench(keys: []) { $0.jwtSecretFiles = [path] }
        #expect(open.log.lines.count == 1)
        #expect(open.log.lines[0].hasPrefix("warning: "))
        #expect(open.log.lines[0].contains("tickertape.mode=0644 tickertape.path=\(path)"))
        #expect(!open.log.lines[0].contains(Forge.secret))
    }
}
