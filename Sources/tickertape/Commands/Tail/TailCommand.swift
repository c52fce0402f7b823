import ArgumentParser
import Foundation
import TickertapeCore

struct TailCommand: DoorCommand {
    static let configuration = CommandConfiguration(
        commandName: "tail",
        abstract: "Print messages as they come, through restarts of the broker.",
        discussion: """
            Nothing given, it begins with what comes next. When the connection breaks it comes \
            back and goes on exactly behind the last message; messages that no longer exist are \
            told of on standard error. It ends when all its topics have, or with Ctrl-C.

              tickertape tail 'stocks/*' 'news/**' --tail 5
              tickertape tail 'chat/**' --since 10m --json | jq -r .data
              tickertape tail stocks/AAPL --after 0 --no-follow
            """
    )

    @Argument(
        help: "Topics and patterns, such as 'stocks/*' or 'news/**'.",
        completion: TopicCompletion.patterns,
        transform: NameArgument.pattern
    )
    var patterns: [String]

    @Option(
        parsing: .unconditional,
        help: .init("Begin behind this id; 0 is the beginning.", valueName: "id"),
        transform: TypedQuantity.givenId
    )
    var after: Int64?

    @Option(
        parsing: .unconditional,
        help: .init("Begin with the last messages of each topic: 0 to 1000.", valueName: "count")
    )
    var tail: Int64?

    @Option(help: .init("Begin with what is younger: 10m, or a time.", valueName: "time"))
    var since: String?

    @Option(
        parsing: .unconditional,
        help: .init("End after so many messages.", valueName: "count")
    )
    var count: Int64?

    @Flag(inversion: .prefixedNo, help: "Wait for more when all was printed.")
    var follow = true

    @Flag(help: "Print one JSON object a line, for programs.")
    var json = false

    @OptionGroup var door: DoorOptions

    func validate() throws {
        let starts = [self.after != nil, self.tail != nil, self.since != nil].count { $0 }
        guard starts <= 1 else {
            throw ValidationError("--after, --tail and --since each say where to begin; give one.")
        }
        if let tail = self.tail, !(0...Int64(Limits().tailMax)).contains(tail) {
            throw ValidationError(
                "--tail is 0 to \(Limits().tailMax) messages; for more give --since or --after."
            )
        }
        if let count = self.count, count < 1 { throw ValidationError("--count is at least 1.") }
        if self.patterns.count > 128 {
            throw ValidationError("At most 128 topics and patterns in one tail.")
        }
        _ = try self.start()
    }

    /// Where to begin, fixed once: a time span counts from now, not from a reconnect.
    private func start() throws -> TailStart {
        if let after = self.after { return .after(after) }
        if let tail = self.tail { return .last(tail) }
        guard let since = self.since else { return self.follow ? .live : .after(0) }
        do {
            let now = Int64(Date().timeIntervalSince1970 * 1_000)
            return .since(try TypedTime.moment(since, nowMilliseconds: now))
        } catch let error as ValidationError {
            throw ValidationError("--since '\(printable(since))': \(error.message).")
        }
    }

    func run() async throws {
        signal(SIGPIPE, SIG_IGN)
        // A quiet stream has a heartbeat every 15 s: three are missing.
        let client = AdminClient(try self.door.address(), silenceSecondsMax: 45)
        let printer = MessagePrinter(isJSON: self.json, style: Output.style)
        let tail = Tail(
            client: client,
            patterns: self.patterns,
            start: try self.start(),
            countMax: self.count,
            isFollowing: self.follow,
            line: printer.line(for:)
        )
        do {
            try await Interruption.racing { try await tail.run() }
        } catch {
            await client.shutdown()
            throw error
        }
        await client.shutdown()
    }

    func run(_ client: AdminClient) async throws {}
}
