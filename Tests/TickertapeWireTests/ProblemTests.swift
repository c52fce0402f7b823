import Foundation
import NIOCore
import Testing
import TickertapeTestSupport
import TickertapeWire

struct ProblemTests {
    /// The rows of the error table of the protocol: code, status, and whether to retry.
    private func registry() throws -> [(code: String, status: Int, retry: String)] {
        let lines = try Repository.text("docs/protocol.md").split(separator: "\n")
        let header = try #require(lines.firstIndex { $0.hasPrefix("| code | status |") })
        return try lines[(header + 2)...].prefix { $0.hasPrefix("|") }.map { line in
            let cells = line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
            let status = try #require(Int(cells[1]), "\(line)")
            return (cells[0].trimmingCharacters(in: ["`"]), status, cells[3])
        }
    }

    @Test("Every code stands in the table of the protocol with its status, and no other")
    func codesAndTable() throws {
        let rows = try self.registry()
        let inTable = rows.map { "\($0.code) \($0.status)" }
        let inSource = Problem.Code.allCases.map { "\($0.rawValue) \($0.status)" }
        #expect(inTable.sorted() == inSource.sorted())
        #expect(Set(rows.map(\.code)).count == rows.count, "each code has one row")
    }

    @Test("Only what can succeed later has Retry-After in the table")
    func retries() throws {
        let retried = try self.registry().filter { $0.retry.contains("`Retry-After`") }
        #expect(
            retried.map(\.code).sorted()
                == [
                    "disk_full", "draining", "log_unavailable", "queue_full", "rate_limited",
                    "too_many_client_connections", "too_many_client_streams",
                    "too_many_credentials", "too_many_streams",
                ]
        )
    }

    @Test("Every code has a title of its own")
    func titles() {
        let titles = Set(Problem.Code.allCases.map(\.title))
        #expect(titles.count == Problem.Code.allCases.count)
    }

    @Test("A problem is one JSON object with status, code, title and detail")
    func json() throws {
        let problem = Problem(.invalidTopic, "say \"why\"\n", retryAfterSeconds: 3, allow: "GET")
        let text = written { problem.write(into: &$0) }
        #expect(
            text == #"{"status":400,"code":"invalid_topic","title":"This is no name for a topic","#
                + #""detail":"say \"why\"\n"}"#
        )
        for code in Problem.Code.allCases {
            let body = written { Problem(code, "d").write(into: &$0) }
            let parsed = try JSONSerialization.jsonObject(with: Data(body.utf8))
            let object = try #require(parsed as? [String: Any])
            #expect(object["status"] as? Int == code.status)
            #expect(object["code"] as? String == code.rawValue)
        }
    }
}
