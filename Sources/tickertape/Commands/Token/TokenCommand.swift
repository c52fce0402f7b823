import ArgumentParser

/// What clients show to be let in.
struct TokenCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "token",
        abstract: "Create, list, show and revoke access tokens, and sign JWTs.",
        discussion: """
            An access token says which topics its holder publishes to, which it subscribes to, and \
            which it may stop. The broker keeps a hash of it and shows the token itself once, when it is created.
            """,
        subcommands: [
            TokenCreateCommand.self,
            TokenListCommand.self,
            TokenShowCommand.self,
            TokenRevokeCommand.self,
            TokenSignCommand.self,
        ]
    )
}
