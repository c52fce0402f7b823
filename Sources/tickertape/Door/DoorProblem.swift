import Foundation

/// A problem document (RFC 9457) as the door answers it.
struct DoorProblem: Decodable, Sendable {
    let status: Int
    let code: String
    let title: String?
    let detail: String?
    /// How many lines had been published when it happened.
    let published: Int64?

    /// Whether the same request may be taken a moment later.
    var isPassing: Bool {
        ["draining", "queue_full", "log_unavailable"].contains(self.code)
    }

    private var sentence: String {
        // A detail stands by itself; only where the broker does not know what happened it does not.
        let title = self.code == "internal_error" || self.detail == nil ? self.title : nil
        let parts = [title, self.detail].compactMap { $0 }.filter { !$0.isEmpty }
        return printable(parts.isEmpty ? self.code : parts.joined(separator: ": "))
    }

    /// What the command ends with; the request is such as `GET /v1/status`, for a broker that does
    /// not know it.
    func failure(_ address: DoorAddress, request: String) -> CommandFailure {
        switch self.code {
        case "unauthorized":
            CommandFailure(
                "\(DoorSentence.name(of: address)) refuses this token, or wants one; give it with "
                    + "--token-file (it stands in the file admin-token of the data directory)"
            )
        case "not_found", "method_not_allowed":
            CommandFailure(
                "\(DoorSentence.name(of: address)) does not know \(printable(request)): it is the "
                    + "public port and not the admin door, or an older broker than this tool"
            )
        case let code where self.status == 404 && code.hasSuffix("_not_found"):
            CommandFailure(self.sentence, .missing)
        default: CommandFailure(self.sentence)
        }
    }

    /// The failure for an answer other than a success.
    static func failure(
        status: Int,
        body: Data,
        _ address: DoorAddress,
        request: String
    ) -> CommandFailure {
        if let problem = try? DoorJSON.decoder.decode(DoorProblem.self, from: body) {
            return problem.failure(address, request: request)
        }
        return CommandFailure(
            "\(DoorSentence.name(of: address)) answers, but not as the admin door of a broker does "
                + "(status \(status)); look at the address",
            .unreachable
        )
    }
}

enum DoorJSON {
    static let decoder: JSONDecoder = {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return decoder
    }()

    static let encoder: JSONEncoder = {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return encoder
    }()
}
