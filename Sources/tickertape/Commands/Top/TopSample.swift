import ArgumentParser

/// What the hottest topics are sorted by.
enum TopSort: String, ExpressibleByArgument, CaseIterable, Sendable {
    case rate, messages, bytes, subscribers, name

    init?(key: Character) {
        switch key {
        case "r": self = .rate
        case "m": self = .messages
        case "b": self = .bytes
        case "s": self = .subscribers
        case "n": self = .name
        default: return nil
        }
    }
}

/// What one frame shows.
struct TopSample: Sendable {
    static let rowsMax = 50

    let status: StatusAnswer
    let statistics: StatisticsAnswer
    let topics: [TopicFigures]
    let slowest: [SubscriberRow]

    /// Asks the door, for all at once.
    static func take(_ client: AdminClient, sortedBy sort: TopSort) async throws -> TopSample {
        async let status = client.get(DoorRequest(.get, ["status"]), as: StatusAnswer.self)
        async let slowest = client.get(
            DoorRequest(
                .get,
                ["subscribers"],
                query: [("sort", "lag"), ("order", "desc"), ("limit", "\(Self.rowsMax)")]
            ),
            as: SubscriberPage.self
        )
        async let listed = Self.topics(client, sort)
        let statistics = try await client.get(
            DoorRequest(.get, ["statistics"]),
            as: StatisticsAnswer.self
        )
        // The broker keeps the hottest at hand; other orders are looked up.
        return try await TopSample(
            status: status,
            statistics: statistics,
            topics: listed ?? statistics.hottest,
            slowest: slowest.subscribers
        )
    }

    private static func topics(
        _ client: AdminClient,
        _ sort: TopSort
    ) async throws -> [TopicFigures]? {
        guard sort != .rate else { return nil }
        let request = DoorRequest(
            .get,
            ["topics"],
            query: [
                ("sort", sort.rawValue), ("order", sort == .name ? "asc" : "desc"),
                ("limit", "\(Self.rowsMax)"),
            ]
        )
        return try await client.get(request, as: TopicPage<TopicFigures>.self).topics
    }
}
