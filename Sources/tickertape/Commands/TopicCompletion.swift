import ArgumentParser
import Foundation

/// What a shell offers for a topic: the names the broker knows.
enum TopicCompletion {
    /// A shell waits for this at every Tab.
    private static let waitSecondsMax = 1.0
    private static let offersMax = 500

    static let topics = CompletionKind.custom { arguments, _, prefix in
        await Self.names(arguments, prefix)
    }

    /// Those that can be ended.
    static let openTopics = CompletionKind.custom { arguments, _, prefix in
        await Self.names(arguments, prefix, state: "open")
    }

    /// Those that can be reopened.
    static let endedTopics = CompletionKind.custom { arguments, _, prefix in
        await Self.names(arguments, prefix, state: "ended")
    }

    static let patterns = CompletionKind.custom { arguments, _, prefix in
        let names = await Self.names(arguments, prefix)
        return Self.globs(above: names) + names
    }

    static let policies = CompletionKind.custom { arguments, _, _ in
        await Self.ask(DoorRequest(.get, ["policies"]), arguments, as: PolicyList.self)?
            .policies.compactMap(\.pattern) ?? []
    }

    static let subscribers = CompletionKind.custom { arguments, _, _ in
        await Self.ask(DoorRequest(.get, ["subscribers"]), arguments, as: SubscriberPage.self)?
            .subscribers.map { String($0.id) } ?? []
    }

    static let tokens = CompletionKind.custom { arguments, _, _ in
        await Self.ask(DoorRequest(.get, ["tokens"]), arguments, as: TokenPage.self)?
            .tokens.map { String($0.id) } ?? []
    }

    /// `stocks/*` for `stocks/AAPL`.
    private static func globs(above names: [String]) -> [String] {
        let folders = names.compactMap { name in
            name.lastIndex(of: "/").map { String(name[..<$0]) }
        }
        return Set(folders).sorted().flatMap { ["\($0)/*", "\($0)/**"] }
    }

    private static func names(
        _ arguments: [String],
        _ prefix: String,
        state: String = "all"
    ) async -> [String] {
        let folder = prefix.lastIndex(of: "/").map { String(prefix[...$0]) } ?? ""
        let request = DoorRequest(
            .get,
            ["topics"],
            query: [("pattern", folder + "**"), ("state", state), ("limit", "\(Self.offersMax)")]
        )
        let page = await Self.ask(request, arguments, as: TopicPage<TopicFigures>.self)
        // A name that would not survive the shell's line is not offered.
        return (page?.topics.map(\.topic) ?? []).filter { name in
            name.hasPrefix(prefix) && printable(name) == name && !name.contains(" ")
        }
    }

    /// Whatever goes wrong, there is nothing to offer.
    private static func ask<Value: Decodable & Sendable>(
        _ request: DoorRequest,
        _ arguments: [String],
        as type: Value.Type
    ) async -> Value? {
        guard let options = try? DoorOptions.parse(Self.doorArguments(in: arguments)),
            let address = try? options.address()
        else { return nil }
        let client = AdminClient(address)
        let answer = Task { try await client.get(request, as: type) }
        let limit = Task {
            try await Task.sleep(for: .seconds(Self.waitSecondsMax))
            answer.cancel()
        }
        let value = try? await answer.value
        limit.cancel()
        await client.shutdown()
        return value
    }

    /// The options that say where the broker is, out of a line that is still being typed.
    static func doorArguments(in arguments: [String]) -> [String] {
        var found: [String] = []
        for (index, argument) in arguments.enumerated() {
            for name in ["--data-dir", "--url", "--token", "--token-file"] {
                if argument.hasPrefix(name + "=") { found.append(argument) }
                if argument == name, index + 1 < arguments.count {
                    found += [name, arguments[index + 1]]
                }
            }
        }
        return found
    }
}
