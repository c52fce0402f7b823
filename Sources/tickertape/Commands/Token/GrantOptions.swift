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

    @Option(
        parsing: .unconditionalSingleValue,
        help: .init(
            "Topics it may stop as a reader; may be given \(Grant.patternsMax) times.",
            valueName: "pattern"
        ),
        completion: TopicCompletion.patterns,
        transform: NameArgument.pattern
    )
    var stop: [String] = []

    func validate() throws {
        let lists = [self.publish, self.subscribe, self.stop]
        guard lists.contains(where: { !$0.isEmpty }) else {
            throw ValidationError(
                "Say what it grants: --publish 'stocks/**', --subscribe '**', --stop 'answers/*', "
                    + "or several."
            )
        }
        guard lists.allSatisfy({ $0.count <= Grant.patternsMax }) else {
            throw ValidationError(
                "--publish, --subscribe and --stop may be given \(Grant.patternsMax) times each."
            )
        }
    }
}
