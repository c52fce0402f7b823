/// A policy as the door has it.
struct PolicyRow: Codable, Sendable, Equatable {
    var pattern: String?
    var maxAgeSeconds: Int64?
    var maxMessages: Int64?
    var maxBytes: Int64?
    var removesEndedAfterSeconds: Int64?
    var maxMessageBytes: Int64?
    var maxPublishesPerSecond: Double?
    var maxPublishBytesPerSecond: Double?
    var createsTopics = true
    var description = ""

    /// What goes to the door has every field: what is missing there has no limit.
    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encodeIfPresent(self.pattern, forKey: .pattern)
        try container.encode(self.maxAgeSeconds, forKey: .maxAgeSeconds)
        try container.encode(self.maxMessages, forKey: .maxMessages)
        try container.encode(self.maxBytes, forKey: .maxBytes)
        try container.encode(self.removesEndedAfterSeconds, forKey: .removesEndedAfterSeconds)
        try container.encode(self.maxMessageBytes, forKey: .maxMessageBytes)
        try container.encode(self.maxPublishesPerSecond, forKey: .maxPublishesPerSecond)
        try container.encode(self.maxPublishBytesPerSecond, forKey: .maxPublishBytesPerSecond)
        try container.encode(self.createsTopics, forKey: .createsTopics)
        try container.encode(self.description, forKey: .description)
    }
}

/// What of a policy that was set cannot take place.
struct PolicyWarnings: Decodable, Sendable {
    /// Absent where there are none.
    let warnings: [String]?
}

struct PolicyList: Decodable, Sendable {
    let policies: [PolicyRow]
}

struct PolicyExplanation: Decodable, Sendable {
    let topic: String
    let policy: PolicyRow
    let reason: String
    let alsoMatching: [String]
}

/// A policy that is being considered.
struct PlanRequest: Encodable {
    var set: PolicyRow?
    var remove: String?
}

/// What retention would remove.
struct PlanAnswer: Decodable, Sendable {
    struct Subscriber: Decodable, Sendable {
        let id: Int64
        let transport: String
        let address: String
        let topics: [String]
        let cursor: Int64?
        let topic: String
        let messagesMissed: Int64?
    }

    /// How much of a topic goes.
    struct Extent: Decodable, Sendable {
        /// It ended long ago, and goes as a whole.
        let deletesTopic: Bool
    }

    let messages: Int64
    let bytes: Int64
    let topics: [Joined<RemovalAnswer, Extent>]
    let topicsTotal: Int64
    let topicsDeleted: Int64
    let subscribers: [Subscriber]
}
