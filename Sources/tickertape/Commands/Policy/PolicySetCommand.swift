import ArgumentParser
import TickertapeCore

/// A limit as it is typed: a value, or `none` to lift it.
enum LimitChange<Value: Equatable & Sendable>: Equatable, Sendable {
    case none
    case to(Value)

    var value: Value? {
        switch self {
        case .none: nil
        case .to(let value): value
        }
    }

    static func reading(
        _ parse: @escaping @Sendable (String) throws -> Value
    ) -> @Sendable (String) throws -> LimitChange {
        { text in text.lowercased() == "none" ? .none : .to(try parse(text)) }
    }
}

struct PolicySetCommand: DoorCommand {
    static let configuration = CommandConfiguration(
        commandName: "set",
        abstract: "Set or change the policy of a pattern.",
        discussion: """
            Only what is named changes; a limit given as 'none' is lifted. What a pattern has no \
            policy for yet starts without limits. It takes effect at once: what is over a limit \
            is removed, oldest first. When messages would go it asks on a terminal, and elsewhere \
            says how many on standard error; see what would happen with --dry-run.

              tickertape policy set 'stocks/**' --max-age 30d --max-messages 10k
              tickertape policy set 'chat/*' --max-bytes 10GiB --dry-run
              tickertape policy set 'stocks/**' --max-messages none
              tickertape policy set 'chat/**' --max-publishes-per-second 5
              tickertape policy set 'answers/*' --remove-ended-after 1h
            """
    )

    @Argument(
        help: "The pattern: a topic, or a glob such as 'stocks/*' or '**'.",
        completion: TopicCompletion.policies,
        transform: NameArgument.pattern
    )
    var pattern: String

    @Option(
        parsing: .unconditional,
        help: .init(
            "Older messages are removed: 30d, 12h, 90s (1s to 36500d), or none.",
            valueName: "time"
        ),
        transform: LimitChange.reading(Self.age)
    )
    var maxAge: LimitChange<Int64>?

    @Option(
        parsing: .unconditional,
        help: .init("The newest messages of a topic that are kept, or none.", valueName: "count"),
        transform: LimitChange.reading(TypedQuantity.count)
    )
    var maxMessages: LimitChange<Int64>?

    @Option(
        parsing: .unconditional,
        help: .init("The payload kept of a topic: 10GiB, 500MB or none.", valueName: "size"),
        transform: LimitChange.reading(TypedQuantity.bytes)
    )
    var maxBytes: LimitChange<Int64>?

    @Option(
        parsing: .unconditional,
        help: .init(
            "Topics that ended so long ago are deleted: 1h, 7d (1s to 36500d), or none.",
            valueName: "time"
        ),
        transform: LimitChange.reading(Self.age)
    )
    var removeEndedAfter: LimitChange<Int64>?

    @Option(
        parsing: .unconditional,
        help: .init("A larger payload is refused: 64KiB or none.", valueName: "size"),
        transform: LimitChange.reading(TypedQuantity.bytes)
    )
    var maxMessageBytes: LimitChange<Int64>?

    @Option(
        parsing: .unconditional,
        help: .init(
            "What each client may publish a second to these topics together: 10, 0.5 or none.",
            valueName: "count"
        ),
        transform: LimitChange.reading(TypedQuantity.rate)
    )
    var maxPublishesPerSecond: LimitChange<Double>?

    @Option(
        parsing: .unconditional,
        help: .init("The same in bytes of payload: 64KiB, 1MB or none.", valueName: "size"),
        transform: LimitChange.reading { Double(try TypedQuantity.bytes($0)) }
    )
    var maxPublishBytesPerSecond: LimitChange<Double>?

    @Flag(
        inversion: .prefixedNo,
        help: "Whether a publish to a topic that does not exist creates it."
    )
    var createTopics: Bool?

    @Option(help: "A word on it, for people; at most 1024 bytes.")
    var description: String?

    @Flag(help: "Only show what it would remove, and who would see a gap.")
    var dryRun = false

    @Flag(name: .shortAndLong, help: "Do not ask, and do not look at the log beforehand.")
    var yes = false

    @OptionGroup var output: OutputOptions
    @OptionGroup var door: DoorOptions

    /// A hundred years: more is a slip of the hand.
    private static func age(_ text: String) throws -> Int64 {
        let seconds = try TypedQuantity.seconds(text)
        guard seconds <= 36_500 * 86_400 else {
            throw ValidationError("it is too large: at most 36500d; 'none' keeps all for ever")
        }
        return seconds
    }

    func validate() throws {
        let bytes = self.description?.utf8.count ?? 0
        guard bytes <= Policy.descriptionBytesMax else {
            throw ValidationError(
                "--description has \(Quantity.count(Int64(bytes))) bytes, but at most "
                    + "\(Quantity.count(Int64(Policy.descriptionBytesMax))) are kept."
            )
        }
        let limits = [
            self.maxAge, self.maxMessages, self.maxBytes, self.removeEndedAfter,
            self.maxMessageBytes,
        ]
        let rates = [self.maxPublishesPerSecond, self.maxPublishBytesPerSecond]
        guard limits.allSatisfy({ $0 == nil }), rates.allSatisfy({ $0 == nil }),
            self.createTopics == nil, self.description == nil
        else { return }
        throw ValidationError(
            "Say what to set, as in --max-age 30d; 'none' lifts a limit, as in --max-messages none."
        )
    }

    func run(_ client: AdminClient) async throws {
        let path = ["policies", self.pattern]
        var policy = try await self.existing(client, DoorRequest(.get, path)) ?? PolicyRow()
        self.change(&policy)
        let considered = RetentionPlan(
            client: client,
            request: PlanRequest(set: self.named(policy))
        )
        if self.dryRun { return try await considered.show(asJSON: self.output.json) }
        if !self.yes {
            try await considered.confirm("Set the policy of \(printable(self.pattern))?")
        }
        policy.pattern = nil
        let request = try DoorRequest(.put, path).json(policy)
        let answer = try await client.send(request)
        let told = try client.decode(PolicyWarnings.self, from: answer.body, request)
        for warning in told.warnings ?? [] { Output.tell("warning: \(printable(warning))") }
        if self.output.json { return try Output.write(document: answer.body) }
        var facts = Facts(
            title: "\(answer.status == 201 ? "new" : "changed") policy of \(self.pattern)"
        )
        for (name, value) in policy.facts { facts.add(name, value) }
        try Output.write(lines: facts.lines(Output.style))
    }

    private func existing(_ client: AdminClient, _ request: DoorRequest) async throws -> PolicyRow?
    {
        do {
            return try await client.get(request, as: PolicyRow.self)
        } catch let failure as CommandFailure where failure.exitCode == .missing {
            return nil
        }
    }

    private func named(_ policy: PolicyRow) -> PolicyRow {
        var named = policy
        named.pattern = self.pattern
        return named
    }

    private func change(_ policy: inout PolicyRow) {
        if let limit = self.maxAge { policy.maxAgeSeconds = limit.value }
        if let limit = self.maxMessages { policy.maxMessages = limit.value }
        if let limit = self.maxBytes { policy.maxBytes = limit.value }
        if let limit = self.removeEndedAfter { policy.removesEndedAfterSeconds = limit.value }
        if let limit = self.maxMessageBytes { policy.maxMessageBytes = limit.value }
        if let rate = self.maxPublishesPerSecond { policy.maxPublishesPerSecond = rate.value }
        if let rate = self.maxPublishBytesPerSecond { policy.maxPublishBytesPerSecond = rate.value }
        if let createsTopics = self.createTopics { policy.createsTopics = createsTopics }
        if let description = self.description { policy.description = description }
    }
}
