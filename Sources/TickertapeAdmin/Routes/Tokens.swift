import Hummingbird
import TickertapeAccess
import TickertapeCore
import TickertapeLog
import TickertapeWire

/// Access tokens: made, listed, shown, revoked.
///
/// The text of a token leaves the broker once, in the answer to the request that made it. It is in
/// no other answer, in no log, and not on the disk.
extension RouteTable {
    /// Three lists of the longest patterns, escaped as JSON may be.
    private static let bodyBytesMax = 393_216

    mutating func addTokens(_ backend: AdminBackend) {
        self.add(.get, "/v1/tokens") { try await list($0, backend) }
        self.add(.post, "/v1/tokens") { request in
            _ = try request.query([])
            let body = try await request.json(upTo: Self.bodyBytesMax)
            let secret = TokenSecret()
            let wanted = try NewToken(body, secret, atMilliseconds: nowMilliseconds())
            guard let token = try await backend.log.createToken(wanted) else {
                throw AdminProblem(
                    .tooManyTokens,
                    "a broker has at most \(TokenSet.countMax) good tokens: revoke some first"
                )
            }
            var writer = JSONWriter(capacity: 1_024)
            writer.object { writer in
                writer.fields(of: token, atMilliseconds: nowMilliseconds())
                writer.field("token", secret.text)
            }
            return .json(.created, writer)
        }
        self.add(.get, "/v1/tokens/{id}") { request in
            _ = try request.query([])
            let id = try request.id(of: "token")
            guard let token = backend.log.tokens.token(id: id) else { throw noToken(id) }
            return .json(.ok, token.json)
        }
        self.add(.delete, "/v1/tokens/{id}") { request in
            _ = try request.query([])
            let id = try request.id(of: "token")
            guard let token = try await backend.log.revokeToken(id: id) else { throw noToken(id) }
            return .json(.ok, token.json)
        }
    }
}

private func noToken(_ id: Int64) -> AdminProblem {
    AdminProblem(.tokenNotFound, "no token has the id \(id)")
}

extension NewToken {
    /// Reads what a token shall grant as it comes in a body.
    ///
    /// - Throws: `invalid_body`, with the field and what would be right, or `invalid_pattern`.
    init(_ body: JSONValue, _ secret: TokenSecret, atMilliseconds now: Int64) throws {
        let fields = try JSONFields(
            body,
            names: ["publish", "subscribe", "stop", "expires_in_seconds", "expires_at", "note"]
        )
        let grant = Grant(
            publish: try Self.patterns("publish", of: fields),
            subscribe: try Self.patterns("subscribe", of: fields),
            stop: try Self.patterns("stop", of: fields)
        )
        guard !grant.isEmpty else {
            throw AdminProblem(
                .invalidBody,
                "give at least one pattern in 'publish', 'subscribe' or 'stop': "
                    + "a token that grants nothing opens nothing"
            )
        }
        let note = try fields.string("note") ?? ""
        guard note.utf8.count <= StoredToken.noteBytesMax else {
            throw AdminProblem(
                .invalidBody,
                "'note' in the body has at most \(StoredToken.noteBytesMax) bytes"
            )
        }
        self.init(
            hash: secret.hash,
            hint: secret.hint,
            grant: grant,
            expiresMilliseconds: try Self.end(fields, now),
            note: note
        )
    }

    private static func patterns(_ name: String, of fields: JSONFields) throws -> [TopicPattern] {
        let texts = try fields.strings(name)
        guard texts.count <= Grant.patternsMax else {
            throw AdminProblem(
                .invalidBody,
                "'\(name)' in the body has at most \(Grant.patternsMax) patterns"
            )
        }
        return try texts.map { text in
            do throws(TopicRule) {
                return try TopicPattern(text)
            } catch {
                throw AdminProblem(
                    .invalidPattern,
                    "'\(shortened(text))' in '\(name)' is no pattern: \(error.sentence)"
                )
            }
        }
    }

    /// When it ends; nothing when it does not.
    private static func end(_ fields: JSONFields, _ now: Int64) throws -> Int64? {
        let secondsMax = StoredToken.lifetimeDaysMax * 86_400
        let seconds = try fields.integer("expires_in_seconds", in: 1...secondsMax)
        guard let text = try fields.stringOrNull("expires_at") else {
            return seconds.map { now + $0 * 1_000 }
        }
        guard seconds == nil else {
            throw AdminProblem(
                .invalidBody,
                "give 'expires_in_seconds' or 'expires_at', or neither for a token without an end"
            )
        }
        guard let end = millisecondsSince1970(rfc3339: text) else {
            throw AdminProblem(
                .invalidBody,
                "'expires_at' is a time such as 2026-01-02T09:30:00Z, not '\(shortened(text))'"
            )
        }
        guard end > now else {
            throw AdminProblem(.invalidBody, "'expires_at' has passed: \(shortened(text))")
        }
        guard end - now <= secondsMax * 1_000 else {
            throw AdminProblem(
                .invalidBody,
                "'expires_at' is at most ten years from now, not \(shortened(text)); "
                    + "leave it out for a token without an end"
            )
        }
        return end
    }
}

/// Which tokens are listed.
private enum TokenChoice: String, CaseIterable {
    case active
    case expired
    case revoked
    case all

    func takes(_ state: StoredToken.State) -> Bool {
        self == .all || self.rawValue == state.rawValue
    }
}

/// What the list of tokens is sorted by.
private enum TokenOrder: String, CaseIterable {
    case id
    case expires

    /// After every time, and a number that a cursor holds exactly.
    private static let never: Int64 = 9_007_199_254_740_991

    func key(of token: StoredToken) -> (Int64, Int64) {
        switch self {
        case .id: (token.id, token.id)
        case .expires: (min(token.expiresMilliseconds ?? Self.never, Self.never), token.id)
        }
    }
}

private func list(_ request: AdminRequest, _ backend: AdminBackend) async throws -> Response {
    let query = try request.query(["state", "sort", "order", "limit", "cursor"])
    let choice = try query.choice("state", of: TokenChoice.self) ?? .active
    let order = try query.choice("sort", of: TokenOrder.self) ?? .id
    let direction = try query.choice("order", of: SortDirection.self) ?? .ascending
    let name = "tokens-\(order.rawValue)-\(direction.rawValue)"
    let limit = Int(try query.integer("limit", in: 1...1_000) ?? 100)
    let last = try query.text("cursor").map { try place(try ListCursor($0, list: name)) }
    let isAscending = direction == .ascending

    func precedes(_ left: (Int64, Int64), _ right: (Int64, Int64)) -> Bool {
        isAscending ? left < right : left > right
    }

    let now = nowMilliseconds()
    let tokens = backend.log.tokens.current
    var keys: [(Int64, Int64)] = []
    for token in tokens.unsorted where choice.takes(token.state(atMilliseconds: now)) {
        keys.append(order.key(of: token))
    }
    let total = keys.count
    if let last { keys.removeAll { !precedes(last, $0) } }
    keys.sort(by: precedes)
    let page = keys.prefix(limit)
    var next: String?
    if keys.count > limit, let last = page.last {
        next = ListCursor(list: name, value: Double(last.0), name: "\(last.1)").text
    }
    var writer = JSONWriter(capacity: 384 * page.count + 64)
    writer.object { writer in
        writer.array("tokens", of: page) { writer, key in
            guard let token = tokens.token(id: key.1) else { return }
            writer.object { $0.fields(of: token, atMilliseconds: now) }
        }
        writer.field("next", next)
        writer.field("total", total)
    }
    return .json(.ok, writer)
}

/// Anybody can write a cursor: what is no number of ours must not be taken for one.
private func place(_ cursor: ListCursor) throws -> (Int64, Int64) {
    guard let value = Int64(exactly: cursor.value), let id = Int64(cursor.name) else {
        throw ListCursor.foreign
    }
    return (value, id)
}

extension StoredToken {
    fileprivate var json: JSONWriter {
        var writer = JSONWriter(capacity: 1_024)
        writer.object { $0.fields(of: self, atMilliseconds: nowMilliseconds()) }
        return writer
    }
}

extension JSONWriter {
    fileprivate mutating func fields(of token: StoredToken, atMilliseconds now: Int64) {
        self.field("id", token.id)
        self.field("hint", token.hint)
        self.array("publish", of: token.grant.publish) { $0.element($1.text) }
        self.array("subscribe", of: token.grant.subscribe) { $0.element($1.text) }
        self.array("stop", of: token.grant.stop) { $0.element($1.text) }
        self.time("created_at", milliseconds: token.createdMilliseconds)
        self.time("expires_at", milliseconds: token.expiresMilliseconds)
        self.time("revoked_at", milliseconds: token.revokedMilliseconds)
        self.field("state", token.state(atMilliseconds: now).rawValue)
        self.field("note", token.note)
    }
}
