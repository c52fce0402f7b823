import ArgumentParser
import AsyncHTTPClient
import Foundation

/// The command line of the broker.
@main
struct Tickertape: AsyncParsableCommand {
    static let version = "0.4.0"

    static let configuration = CommandConfiguration(
        commandName: "tickertape",
        abstract: "A pub/sub push broker: publish over HTTP, follow over Server-Sent Events.",
        discussion: """
            Every message is committed to an SQLite log under one strictly increasing id; a \
            browser follows with EventSource and resumes where it stopped. Start one with:

              tickertape serve --data-dir ./tickertape-data
            """,
        subcommands: [ServeCommand.self]
    )

    static func main() async {
        do {
            let arguments = try EnvironmentArguments.complete(
                Array(CommandLine.arguments.dropFirst()),
                from: ProcessInfo.processInfo.environment
            )
            var command = try Self.parseAsRoot(arguments)
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
        } catch {
            Self.exit(withError: error)
        }
    }
}
