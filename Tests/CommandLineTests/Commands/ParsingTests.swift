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
            "nonsense", "status more", "topic purge a --before 1M", "policy set a --max-age 1M",
            "policy set a --max-age 36501d", "tail a --tail 1001", "tail a --since 1M",
            "token sign", "token sign --secret-file s --subscribe a",
            "token sign --secret-file s --expires 1h", "token sign --subscribe a --expires 1h",
            "token sign --secret-file s --key-file k --subscribe a --expires 1h",
            "token sign --secret-file s --subscribe a --expires never",
            "token sign --secret-file s --subscribe a --expires 36501d",
            "token sign --secret-file s --subscribe a//b --expires 1h",
            "token sign --key-file k --algorithm none --subscribe a --expires 1h",
            "publish a b --retry-for 5m", "topic list --limit -1", "serve --admin-listen foo",
            "policy set a --max-publishes-per-second 0", "token create", "token show",
            "policy set a --max-publish-bytes-per-second 1.5", "token create --publish a//b",
            "token create --subscribe a --expires 30", "token create --subscribe a --expires 0d",
            "token create --subscribe a --expires 3661d", "token list --state good",
            "token create --publish a --expires tomorrow", "token revoke", "token revoke 1 x",
            "token show 1 2", "token list --sort note", "topic end", "topic end a/*",
            "topic reopen", "topic list --ended --open", "policy set a --remove-ended-after 1M",
            "policy set a --remove-ended-after 0s", "token create --stop a//b",
            "publish a b --lines --end", "token sign --secret-file s --stop ** --expires x",
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
            "token sign --secret-file s --subscribe a/** --publish - --expires 1h30m",
            "token sign --key-file k --algorithm es256 --publish a --expires 5m --subject s",
            "token sign --key-file k --publish a --expires 5m --audience a --audience b",
            "publish a -", "publish a --lines --retry-for 5m",
            "publish a --file f --event e --key k",
            "tail a b/* c/** --tail 5 --json", "tail a --since 10m --count 3 --no-follow",
            "top --once", "top --json", "subscriber disconnect 5",
            "subscriber disconnect 1,234",
            "topic purge a --before 1,000", "tail a --after 1,000 --count 2", "tail a --tail 1000",
            "policy set a --max-age 36500d", "serve --admin-listen [::1]:1868",
            "status --url http://h:1", "policy set a --max-publishes-per-second 0.5",
            "policy set a --max-publishes-per-second none --max-publish-bytes-per-second 1MB",
            "token create --publish a --publish b/** --subscribe ** --expires 12h --note x",
            "token create --subscribe a --expires never --json", "token list --all --json",
            "token create --subscribe a --expires 3660d", "token list --state revoked --limit 5",
            "token show 7", "token revoke 7 1,234", "topic end a", "topic reopen a/b --json",
            "topic list a/* --ended", "topic list --open --all", "publish a b --end",
            "publish a --lines --end", "policy set a --remove-ended-after 1h",
            "policy set a --remove-ended-after none", "token create --stop a/* --stop b",
            "token sign --secret-file s --stop ** --expires 1h",
            "serve --auth --anonymous-stop a/* --anonymous-stop b",
        ]
    )
    func taken(line: String) throws {
        _ = try Tickertape.parseAsRoot(line.split(separator: " ").map(String.init))
    }

    @Test("A limit that is given changes, one that is not stays, and none lifts it")
    func limits() throws {
        let command = try #require(
            try Tickertape.parseAsRoot(
                [
                    "policy", "set", "a", "--max-age", "none", "--max-bytes", "1KiB",
                    "--remove-ended-after", "1h",
                ]
            ) as? PolicySetCommand
        )
        #expect(command.maxAge == LimitChange.none)
        #expect(command.maxBytes == .to(1_024))
        #expect(command.removeEndedAfter == .to(3_600))
        #expect(command.maxMessages == nil)
        #expect(command.createTopics == nil)
    }

    @Test(
        "A number out of its range is told its range",
        arguments: [
            ("topic list --limit -1", "at least 1"), ("tail a --tail -1", "0 to 1000"),
            ("tail a --tail 1001", "0 to 1000"), ("tail a --count -1", "at least 1"),
            ("serve --port -1", "0 to 65535"), ("serve --loops -1", "1 to 256"),
            ("serve --admin-listen foo", "HOST:PORT"), ("top --interval -1", "0.1 to 3600"),
            ("policy set a --max-messages -1", "at least 1"),
            ("policy set a --max-age -1", "at least 1s"),
            ("policy set a --max-age 99999d", "at most 36500d"),
            ("policy set a --max-age 1M", "for a month say 30d"),
            ("topic purge a --before 1M", "for a month say 30d"),
            ("subscriber disconnect 10,00", "an id is a number"),
        ]
    )
    func ranges(line: String, part: String) {
        let error = #expect(throws: (any Error).self) {
            _ = try Tickertape.parseAsRoot(line.split(separator: " ").map(String.init))
        }
        guard let error else { return }
        let message = Tickertape.message(for: error)
        #expect(message.contains(part), "\(message)")
    }

    @Test("A token is good for ninety days unless something else is said")
    func lifetimes() throws {
        let line = ["token", "create", "--publish", "a"]
        for (more, seconds) in [
            ([], nil), (["--expires", "30d"], 2_592_000), (["--expires", "Never"], nil),
        ] as [([String], Int64?)] {
            let command = try #require(
                try Tickertape.parseAsRoot(line + more) as? TokenCreateCommand
            )
            #expect(command.expires?.seconds == seconds)
        }
        #expect(TokenLifetime.usual == .seconds(7_776_000))
        let error = #expect(throws: (any Error).self) {
            _ = try Tickertape.parseAsRoot(line + ["--note", String(repeating: "é", count: 129)])
        }
        #expect(error.map { Tickertape.message(for: $0) }?.contains("258 bytes") == true)
        let many = (0...128).flatMap { ["--subscribe", "a/\($0)"] }
        #expect(throws: (any Error).self) { _ = try Tickertape.parseAsRoot(line + many) }
        _ = try Tickertape.parseAsRoot(line + many.dropLast(2))
    }

    @Test("A description is as long as the broker keeps it")
    func description() throws {
        let line = ["policy", "set", "a", "--description"]
        _ = try Tickertape.parseAsRoot(line + [String(repeating: "x", count: 1_024)])
        let error = #expect(throws: (any Error).self) {
            _ = try Tickertape.parseAsRoot(line + [String(repeating: "é", count: 513)])
        }
        guard let error else { return }
        #expect(Tickertape.message(for: error).contains("1,026 bytes, but at most 1,024"))
    }
}
