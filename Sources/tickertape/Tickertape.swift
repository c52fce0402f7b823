import ArgumentParser
import Foundation

/// The command line of the broker.
@main
struct Tickertape: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tickertape",
        abstract: "A pub/sub push broker: publish over HTTP, follow over Server-Sent Events.",
        discussion: """
            Every message is committed to an SQLite log under one strictly increasing id; a \
            browser follows with EventSource and resumes where it stopped. Start one with:

              tickertape serve --data-dir ./tickertape-data

            The other commands talk to a running broker: to the one on ./tickertape-data, to \
            another with --data-dir (TICKERTAPE_DATA_DIR), or over the network with --url \
            (TICKERTAPE_URL) and --token-file (TICKERTAPE_ADMIN_TOKEN_FILE, or the token itself in \
            TICKERTAPE_ADMIN_TOKEN).

            They end with 0 when all is done, 1 when the broker refuses or something fails, 2 when \
            no broker can be reached, 3 when what is named does not exist, 64 when the command line \
            makes no sense, and 130 when they are interrupted before the end.
            """,
        version: "tickertape \(Self.version)",
        subcommands: [ServeCommand.self],
        groupedSubcommands: [
            .init(
                name: "Watch",
                subcommands: [
                    StatusCommand.self, TopCommand.self, TailCommand.self, SubscriberCommand.self,
                ]
            ),
            .init(
                name: "Steer",
                subcommands: [
                    PublishCommand.self, TopicCommand.self, PolicyCommand.self, TokenCommand.self,
                ]
            ),
        ]
    )

    static func main() async {
        do {
            let arguments = try EnvironmentArguments.complete(
                Array(CommandLine.arguments.dropFirst()),
                from: ProcessInfo.processInfo.environment
            )
            var command = try await Self.asyncParseAsRoot(arguments)
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
        } catch is OutputClosed {
            // Whoever read has what was wanted.
            Foundation.exit(0)
        } catch let failure as CommandFailure {
            Output.tell(failure.sentence)
            Foundation.exit(failure.exitCode.rawValue)
        } catch {
            Self.exit(withError: error)
        }
    }
}
