import Testing
import TickertapeAccess
import TickertapeCore
import TickertapeWire

@testable import TickertapeServer

/// Who may stop a topic as its reader.
struct StopAdmissionTests {
    private func refusal(_ access: Access?, of topic: String) throws -> Problem? {
        var fixture = AdmissionFixture()
        fixture.configuration.isOpen = false
        let admission = try fixture.admission()
        let topic = try TopicName(topic)
        do throws(Problem) {
            try admission.checkStop(access, of: topic)
            return nil
        } catch {
            return error
        }
    }

    private func grant(stop: [String]) throws -> Grant {
        let all = [try TopicPattern("**")]
        return Grant(publish: all, subscribe: all, stop: try stop.map { try TopicPattern($0) })
    }

    @Test("A stop pattern has to match the topic; publishing and following do not imply it")
    func patterns() throws {
        let access = Access(grant: try self.grant(stop: ["answers/*", "a"]), source: .token(1))
        #expect(try self.refusal(access, of: "answers/7") == nil)
        #expect(try self.refusal(access, of: "a") == nil)
        for topic in ["answers/7/x", "answers", "b"] {
            let refusal = try #require(try self.refusal(access, of: topic))
            #expect(refusal.code == .forbidden)
            #expect(refusal.detail == "the token does not grant to stop \(topic)")
        }
        let none = Access(grant: try self.grant(stop: []), source: .key("k"))
        #expect(try self.refusal(none, of: "a")?.code == .forbidden)
    }

    @Test("Who has shown no credential is asked for one, unless everyone may")
    func anonymous() throws {
        let everyone = Access(grant: try self.grant(stop: ["open/*"]), source: .anonymous)
        #expect(try self.refusal(everyone, of: "open/1") == nil)
        for access in [everyone, nil] {
            let refusal = try #require(try self.refusal(access, of: "a"))
            #expect(refusal.code == .unauthorized)
            #expect(refusal.detail.hasPrefix("to stop a needs a token: "))
        }
        let open = Access(grant: .everything, source: .open)
        #expect(try self.refusal(open, of: "a") == nil)
    }
}
