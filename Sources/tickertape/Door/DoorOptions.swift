import ArgumentParser
import Foundation

/// Where the broker is, for every command that talks to one.
struct DoorOptions: ParsableArguments {
    @Option(
        help: "The data directory of a broker on this machine. (default: ./tickertape-data)",
        completion: .directory
    )
    var dataDir: String?

    @Option(help: "The admin door of a broker elsewhere, as in http://10.0.0.5:1868.")
    var url: String?

    @Option(help: "A file with the token for --url.", completion: .file())
    var tokenFile: String?

    @Option(
        help: "The token itself; others on this machine may see it, so prefer --token-file."
    )
    var token: String?

    func validate() throws {
        if self.url != nil, self.dataDir != nil {
            throw ValidationError("--data-dir and --url each name a broker; give one of them.")
        }
        if self.token != nil, self.tokenFile != nil {
            throw ValidationError("Give --token or --token-file, not both.")
        }
        if self.dataDir != nil, self.token != nil || self.tokenFile != nil {
            throw ValidationError(
                "A token goes with --url; the socket in the data directory needs none."
            )
        }
    }

    /// The broker that is meant: options first, then `TICKERTAPE_URL` and `TICKERTAPE_DATA_DIR`.
    ///
    /// The environment is read here and not turned into arguments, so that a token of its never
    /// stands in a message of the parser.
    ///
    /// - Throws: A sentence when URL or token cannot be used.
    func address(
        environment: [String: String] = ProcessInfo.processInfo.environment
    ) throws -> DoorAddress {
        if let dataDir = self.dataDir { return .dataDirectory(dataDir) }
        let named = environment.filter { !$0.value.isEmpty }
        guard let url = self.url ?? named["TICKERTAPE_URL"] else {
            if self.token != nil || self.tokenFile != nil {
                throw CommandFailure(
                    "a token goes with --url; the socket in the data directory needs none",
                    .usage
                )
            }
            return .dataDirectory(named["TICKERTAPE_DATA_DIR"] ?? "./tickertape-data")
        }
        return .remote(url: try Self.checked(url), token: try self.findToken(named))
    }

    private func findToken(_ environment: [String: String]) throws -> String? {
        if let token = self.token { return try Self.checked(token: token, from: "--token") }
        if let file = self.tokenFile { return try Self.readToken(file) }
        if let token = environment["TICKERTAPE_ADMIN_TOKEN"] {
            return try Self.checked(token: token, from: "TICKERTAPE_ADMIN_TOKEN")
        }
        return try environment["TICKERTAPE_ADMIN_TOKEN_FILE"].map(Self.readToken)
    }

    private static func readToken(_ path: String) throws -> String {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw CommandFailure("the token file \(printable(path)) cannot be read")
        }
        let text = String(decoding: data, as: UTF8.self)
        return try Self.checked(token: text, from: "the token file \(printable(path))")
    }

    private static func checked(token: String, from source: String) throws -> String {
        let token = token.trimmingCharacters(in: .whitespacesAndNewlines)
        guard !token.isEmpty, token.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw CommandFailure("\(source) holds no token: one word of visible ASCII", .usage)
        }
        return token
    }

    private static func checked(_ text: String) throws -> String {
        guard let url = URLComponents(string: text), let scheme = url.scheme?.lowercased(),
            ["http", "https"].contains(scheme), let host = url.host, !host.isEmpty,
            url.query == nil, url.fragment == nil
        else {
            throw CommandFailure(
                "'\(printable(text))' is no address of an admin door; "
                    + "it looks like http://127.0.0.1:1868",
                .usage
            )
        }
        guard url.user == nil, url.password == nil else {
            throw CommandFailure("give the token with --token-file, not in the URL", .usage)
        }
        return text.hasSuffix("/") ? String(text.dropLast()) : text
    }
}

/// One broker's admin door.
enum DoorAddress: Equatable, Sendable {
    /// Its socket, `admin.sock`, in this data directory.
    case dataDirectory(String)
    case remote(url: String, token: String?)

    static let socketName = "admin.sock"
}

/// What every command that answers has.
struct OutputOptions: ParsableArguments {
    @Flag(help: "Print one JSON document, for programs.")
    var json = false
}
