import ArgumentParser
import TickertapeCore

/// Topics: look, create, end, delete.
struct TopicCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "topic",
        abstract: "List, show, create, end, reopen, delete and purge topics.",
        subcommands: [
            TopicListCommand.self, TopicShowCommand.self, TopicCreateCommand.self,
            TopicEndCommand.self, TopicReopenCommand.self, TopicDeleteCommand.self,
            TopicPurgeCommand.self,
        ]
    )
}

/// A name that is checked before anybody is asked.
enum NameArgument {
    static func topic(_ text: String) throws -> String {
        do {
            return try TopicName(text).text
        } catch {
            throw ValidationError("'\(printable(text))' is no topic: \(error.sentence).")
        }
    }

    static func pattern(_ text: String) throws -> String {
        do {
            return try TopicPattern(text).text
        } catch {
            throw ValidationError("'\(printable(text))' is no pattern: \(error.sentence).")
        }
    }
}
