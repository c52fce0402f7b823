import ArgumentParser

/// Options from the environment: `TICKERTAPE_MAX_STREAMS=100` stands for `--max-streams 100`.
///
/// They become arguments before these are parsed, so one parser checks both; an option on the
/// command line wins. Lists are separated by commas or spaces.
enum EnvironmentArguments {
    private static let prefix = "TICKERTAPE_"

    /// The arguments with what the environment adds to a `serve`.
    ///
    /// - Throws: When a variable of ours names no option, or a flag is neither true nor false.
    static func complete(
        _ arguments: [String],
        from environment: [String: String]
    ) throws -> [String] {
        guard arguments.first == "serve" else { return arguments }
        var complete = arguments
        let ours = environment.filter { $0.key.hasPrefix(Self.prefix) }
        for (variable, value) in ours.sorted(by: { $0.key < $1.key }) {
            let name = variable.dropFirst(Self.prefix.count).lowercased()
            let option = "--" + name.map { $0 == "_" ? "-" : String($0) }.joined()
            let isGiven = arguments.contains { $0 == option || $0.hasPrefix(option + "=") }
            guard !isGiven, ServeCommand.optionNames.contains(option) else { continue }
            if AccessOptions.listNames.contains(option) {
                let values = value.split { $0 == "," || $0 == " " }
                complete += values.map { "\(option)=\($0)" }
                continue
            }
            guard ServeCommand.flagNames.contains(option) else {
                complete.append("\(option)=\(value)")
                continue
            }
            switch value.lowercased() {
            case "true", "1", "yes": complete.append(option)
            case "false", "0", "no", "": break
            default:
                throw ValidationError("\(variable) is '\(value)', but should be true or false.")
            }
        }
        return complete
    }
}
