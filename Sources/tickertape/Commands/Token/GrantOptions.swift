import ArgumentParser
import TickertapeCore

/// What a token grants.
struct GrantOptions: ParsableArguments {
    @Option(
        parsing: .unconditionalSingleValue,
        help: .init(
            "Topics it may publish to; may be given \(Grant.patternsMax) times.",
            valueName: "pattern"
        ),
        completion: TopicCompletion.patterns,
        transform: NameArgument.pattern
    )
    var publish: [String] = []

    @Option(
        parsing: .unconditionalSingleValue,
        help: .init(
            "Topics it may follow and read the history of; may be given \(Grant.patternsMax) times.",
            valueName: "pattern"
        ),
        completion: TopicCompletion.patterns,
        transform: NameArgument.pattern
    )
    var subscribe: [String] = []

    func validate() throws {
        guard !self.publish.isEmpty || !self.subscribe.isEmpty else {
            throw ValidationError(
                "Say what it grants: --publish 'stocks/**', --subscribe '**', or both."
            )
        }
        guard max(self.publish.count, self.subscribe.count) <= Grant.patternsMax else {
            throw ValidationError(
                "--publish and --subscribe may be given \(Grant.patternsMax) times each."
            )
        }
    }
}
