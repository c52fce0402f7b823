import ArgumentParser
import Testing

@testable import tickertape

struct ParsingTests {
    @Test(
        "What makes no sense is refused before any broker is asked",
        arguments: [
            "topic list a//b", "topic list --limit 0", "topic list --sort colour", "topic show",
            "topic show a/*", "topic create a/**", "topic delete", "topic purge a",
            "topic purge a --before soon", "topic purge a --before 99999999999999999999",
            "policy set", "policy set a", "policy set a --max-age 30",
            "policy set a** --max-age 1d",
            "policy set a --max-bytes 0", "policy explain a/*", "policy remove",
            "publish", "publish a b --file c", "publish a b --lines",
            "publish a --lines --idempotency-key k", "tail", "tail a --after 1 --tail 2",
            "tail a --after -1", "tail a --count 0", "tail a --since soon", "tail a//b",
            "top --interval 0", "subscriber disconnect x", "status --data-dir d --url http://h",
            "nonsense", "status more",
        ]
    )
    func refused(line: String) {
        let error = #expect(throws: (any Error).self) {
            _ = try Tickertape.parseAsRoot(line.split(separator: " ").map(String.init))
        }
        guard let error else { return }
        #expect(Tickertape.exitCode(for: error).rawValue == 64)
    }

    @Test(
        "What operators type is taken",
        arguments: [
            "topic list", "topic list stocks/* --sort rate --reverse --limit 5", "topic list --all",
            "topic purge a --before 30d --yes", "topic purge a --before 2026-01-31",
            "policy set ** --max-age 30d --max-messages 10k --max-bytes 10GiB",
            "policy set a/* --max-age none --no-create-topics --dry-run",
            "policy set a --create-topics",
            "publish a -", "publish a --lines --retry-for 5m",
            "publish a --file f --event e --key k",
            "tail a b/* c/** --tail 5 --json", "tail a --since 10m --count 3 --no-follow",
            "top --once", "top --json", "subscriber disconnect 5", "status --url http://h:1",
        ]
    )
    func taken(line: String) throws {
        _ = try Tickertape.parseAsRoot(line.split(separator: " ").map(String.init))
    }

    @Test("A limit that is given changes, one that is not stays, and none lifts it")
    func limits() throws {
        let command = try #require(
            try Tickertape.parseAsRoot(
                ["policy", "set", "a", "--max-age", "none", "--max-bytes", "1KiB"]
            ) as? PolicySetCommand
        )
        #expect(command.maxAge == LimitChange.none)
        #expect(command.maxBytes == .to(1_024))
        #expect(command.maxMessages == nil)
        #expect(command.createTopics == nil)
    }
}
