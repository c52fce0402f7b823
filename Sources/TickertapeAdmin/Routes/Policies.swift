import Hummingbird
import TickertapeCore
import TickertapeLog
import TickertapeWire

/// Policies: listed, explained, set, removed, and tried out.
extension RouteTable {
    mutating func addPolicies(_ backend: AdminBackend) {
        self.add(.get, "/v1/policies") { request in
            _ = try request.query([])
            var writer = JSONWriter(capacity: 4_096)
            writer.object { writer in
                writer.array("policies", of: backend.log.policies.policies) { writer, policy in
                    writer.object { $0.fields(of: policy) }
                }
            }
            return .json(.ok, writer)
        }
        self.add(.get, "/v1/policies/{pattern}") { request in
            _ = try request.query([])
            let pattern = try request.pattern()
            guard let policy = backend.log.policies[pattern] else { throw noPolicy(pattern) }
            return .json(.ok, policy.json)
        }
        self.add(.put, "/v1/policies/{pattern}") { request in
            _ = try request.query([])
            let pattern = try request.pattern()
            let policy = try Policy(try await request.json(), pattern: pattern)
            let isNew = backend.log.policies[pattern] == nil
            guard try await backend.log.setPolicy(policy) else {
                throw AdminProblem(
                    .tooManyPolicies,
                    "a broker has at most \(PolicySet.countMax) policies: remove one first"
                )
            }
            var writer = JSONWriter()
            writer.object { writer in
                writer.fields(of: policy)
                let warnings = policy.warnings(backend.limits)
                guard !warnings.isEmpty else { return }
                writer.array("warnings", of: warnings) { $0.element($1) }
            }
            return .json(isNew ? .created : .ok, writer)
        }
        self.add(.delete, "/v1/policies/{pattern}") { request in
            _ = try request.query([])
            let pattern = try request.pattern()
            guard try await backend.log.removePolicy(pattern) else { throw noPolicy(pattern) }
            return .noContent
        }
        self.add(.get, "/v1/topics/{topic}/policy") { request in
            _ = try request.query([])
            return .json(.ok, explanation(of: try request.topic(), backend.log.policies))
        }
    }
}

func noPolicy(_ pattern: TopicPattern) -> AdminProblem {
    AdminProblem(.policyNotFound, "no policy has the pattern '\(pattern)'")
}

extension PolicySet {
    subscript(pattern: TopicPattern) -> Policy? {
        self.policies.first { $0.pattern == pattern }
    }
}

private func explanation(of topic: TopicName, _ policies: PolicySet) -> JSONWriter {
    let policy = policies.policy(for: topic)
    let others = policies.matching(topic).map(\.pattern).filter { $0 != policy.pattern }
    let pattern = policy.pattern
    let reason: String
    if pattern.topic != nil {
        reason = "'\(pattern)' names this topic itself, and nothing is more specific"
    } else if others.isEmpty {
        reason = "'\(pattern)' is the only policy whose pattern matches"
    } else {
        let names = others.map { "'\($0)'" }.joined(separator: ", ")
        reason = """
            '\(pattern)' is more specific than \(names), which match\(others.count == 1 ? "es" : "") \
            too: at the first level where patterns differ a name goes before '*', and '*' before '**'
            """
    }
    var writer = JSONWriter()
    writer.object { writer in
        writer.field("topic", topic.text)
        writer.object("policy") { $0.fields(of: policy) }
        writer.field("reason", reason)
        writer.array("also_matching", of: others) { $0.element($1.text) }
    }
    return writer
}

extension Policy {
    /// The largest number that JSON carries between all languages without loss.
    static let numberMax: Int64 = 9_007_199_254_740_991

    /// Reads a policy as it comes in a body.
    ///
    /// - Parameters:
    ///   - body: An object; what it leaves out is not limited.
    ///   - pattern: From the path, where there is one; then the body need not repeat it.
    ///   - place: How a sentence names the body.
    /// - Throws: `invalid_body`, with the field and what would be right, or `invalid_pattern`.
    init(_ body: JSONValue, pattern: TopicPattern?, in place: String = "the body") throws {
        let fields = try JSONFields(
            body,
            in: place,
            names: [
                "pattern", "max_age_seconds", "max_messages", "max_bytes",
                "removes_ended_after_seconds", "max_message_bytes", "max_publishes_per_second",
                "max_publish_bytes_per_second", "creates_topics", "description",
            ]
        )
        let given = try fields.string("pattern").map { try checkedPattern($0) }
        guard let pattern = pattern ?? given else {
            throw AdminProblem(.invalidBody, "give the 'pattern' of the policy in \(place)")
        }
        guard given == nil || given == pattern else {
            throw AdminProblem(
                .invalidBody,
                "'pattern' in \(place) is that of the path: leave it out"
            )
        }
        let range = 1...Self.numberMax
        let description = try fields.string("description") ?? ""
        guard description.utf8.count <= Self.descriptionBytesMax else {
            throw AdminProblem(
                .invalidBody,
                "'description' in \(place) has at most \(Self.descriptionBytesMax) bytes"
            )
        }
        self.init(
            pattern: pattern,
            maxAgeSeconds: try fields.integer("max_age_seconds", in: range),
            maxMessages: try fields.integer("max_messages", in: range),
            maxBytes: try fields.integer("max_bytes", in: range),
            removesEndedAfterSeconds: try fields.integer(
                "removes_ended_after_seconds",
                in: range
            ),
            maxMessageBytes: try fields.integer("max_message_bytes", in: range).map { Int($0) },
            maxPublishesPerSecond: try fields.number("max_publishes_per_second", in: Self.rates),
            maxPublishBytesPerSecond: try fields.number(
                "max_publish_bytes_per_second",
                in: Self.rates
            ),
            createsTopics: try fields.bool("creates_topics") ?? true,
            description: description
        )
    }

    /// What is settled but cannot take place, a sentence each.
    fileprivate func warnings(_ limits: Limits) -> [String] {
        guard let bytes = self.maxMessageBytes, bytes > limits.messageBytesMax else { return [] }
        return [
            """
            this broker takes messages of at most \(limits.messageBytesMax) bytes, so \
            'max_message_bytes' changes nothing: start it with a larger --max-message-bytes, or lower it
            """
        ]
    }

    var json: JSONWriter {
        var writer = JSONWriter()
        writer.object { $0.fields(of: self) }
        return writer
    }
}

extension JSONWriter {
    mutating func fields(of policy: Policy) {
        self.field("pattern", policy.pattern.text)
        self.field("max_age_seconds", policy.maxAgeSeconds)
        self.field("max_messages", policy.maxMessages)
        self.field("max_bytes", policy.maxBytes)
        self.field("removes_ended_after_seconds", policy.removesEndedAfterSeconds)
        self.field("max_message_bytes", policy.maxMessageBytes.map { Int64($0) })
        self.field("max_publishes_per_second", policy.maxPublishesPerSecond)
        self.field("max_publish_bytes_per_second", policy.maxPublishBytesPerSecond)
        self.field("creates_topics", policy.createsTopics)
        self.field("description", policy.description)
    }
}
