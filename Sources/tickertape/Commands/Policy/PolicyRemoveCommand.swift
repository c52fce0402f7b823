import ArgumentParser

struct PolicyRemoveCommand: DoorCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove",
        abstract: "Remove the policy of a pattern; the next one that matches applies.",
        discussion: """
            The policy of ** goes back to its default, which keeps everything. Where a stricter \
            policy takes over, messages may go; on a terminal it asks then, elsewhere it says so \
            on standard error.
            """
    )

    @Argument(
        help: "The pattern as it stands in 'policy list'.",
        completion: TopicCompletion.policies,
        transform: NameArgument.pattern
    )
    var pattern: String

    @Flag(help: "Only show what it would remove, and who would see a gap.")
    var dryRun = false

    @Flag(name: .shortAndLong, help: "Do not ask, and do not look at the log beforehand.")
    var yes = false

    @OptionGroup var output: OutputOptions
    @OptionGroup var door: DoorOptions

    func run(_ client: AdminClient) async throws {
        let considered = RetentionPlan(client: client, request: PlanRequest(remove: self.pattern))
        if self.dryRun { return try await considered.show(asJSON: self.output.json) }
        if !self.yes {
            try await considered.confirm("Remove the policy of \(printable(self.pattern))?")
        }
        _ = try await client.send(DoorRequest(.delete, ["policies", self.pattern]))
        if self.output.json { return try Output.write(document: ["removed": self.pattern]) }
        try Output.write(
            line: self.pattern == "**"
                ? "the policy of ** is the default again"
                : "removed the policy of \(printable(self.pattern))"
        )
    }
}
