import Foundation
import Testing
import TickertapeCore
import TickertapeTestSupport

@testable import TickertapeAccess

/// Tokens that are made for trying out.
@Suite struct TokenSignerTests {
    private func write(_ text: String, in folder: TemporaryFolder) throws -> String {
        let path = "\(folder.path)/key"
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
        return path
    }

    private func draft() throws -> TokenSigner.Draft {
        let grant = Grant(
            publish: [try TopicPattern("a/\"quoted\"/é")],
            subscribe: [try TopicPattern("**"), try TopicPattern("a/*")],
            stop: [try TopicPattern("a/*")]
        )
        return TokenSigner.Draft(grant: grant, issuedSeconds: 500, expiresSeconds: 2_000)
    }

    @Test("What is signed with one half of a key is good with the other, and says what was asked")
    func roundTrip() async throws {
        let folder = try TemporaryFolder()
        let pairs = [
            (KeyFixtures.rsaPrivate, KeyFixtures.rsaPublic, KeyAlgorithm.rs256),
            (KeyFixtures.rsaPrivatePKCS1, KeyFixtures.rsaCertificate, .rs256),
            (KeyFixtures.p256Private, KeyFixtures.p256Public, .es256),
            (KeyFixtures.p256PrivateSEC1, KeyFixtures.p256Certificate, .es256),
            (KeyFixtures.ed25519Private, KeyFixtures.ed25519Certificate, .edDSA),
        ]
        for (privateText, publicText, algorithm) in pairs {
            let signer = try TokenSigner(keyFile: try self.write(privateText, in: folder))
            #expect(signer.algorithm == algorithm)
            let bench = try Bench(keys: [publicText]) { configuration in
                configuration.issuer = "us"
                configuration.audiences = ["here"]
            }
            var draft = try self.draft()
            draft.issuer = "us"
            draft.audiences = ["there", "here"]
            draft.subject = "anna"
            draft.keyID = "any"
            let access = try #require(await bench.verify(try await signer.sign(draft)).access)
            #expect(access.grant == draft.grant)
            #expect(access.expiresMilliseconds == 2_000_000)
            #expect(access.client?.hasPrefix("subject ") == true)
        }
    }

    @Test("A secret signs as the broker reads it, its last line end aside")
    func secret() async throws {
        let folder = try TemporaryFolder()
        for end in ["", "\n", "\r\n"] {
            let path = try self.write(Forge.secret + end, in: folder)
            let signer = try TokenSigner(secretFile: path)
            #expect(signer.algorithm == .hs256)
            let bench = try Bench(keys: [], secrets: [Forge.secret + "\n"])
            #expect(await bench.verify(try await signer.sign(try self.draft())).access != nil)
        }
    }

    @Test("A file that holds no private key, or a short one, is refused in words")
    func refused() throws {
        let folder = try TemporaryFolder()
        let texts = [
            "", Forge.secret, KeyFixtures.rsaPublic, KeyFixtures.p256Certificate,
            KeyFixtures.p256Private + KeyFixtures.ed25519Private,
            KeyFixtures.p256Private.replacing("PRIVATE", with: "ENCRYPTED PRIVATE"),
            KeyFixtures.ed25519Private.replacing("MC4CAQAw", with: "MC4CAQAx"),
        ]
        for text in texts {
            let path = try self.write(text, in: folder)
            #expect(throws: KeyFileError.self, "\(text)") { try TokenSigner(keyFile: path) }
        }
        let path = try self.write(KeyFixtures.rsaPrivate, in: folder)
        #expect(throws: KeyFileError.self) { try TokenSigner(secretFile: path) }
        #expect(throws: KeyFileError.self) { try TokenSigner(keyFile: folder.path) }
    }
}
