import ArgumentParser

struct TopicShowCommand: DoorCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Show one topic: what is in it, rates, subscribers and its policy."
    )

    @Argument(
        help: "The topic.",
        completion: TopicCompletion.topics,
        transform: NameArgument.topic
    )
    var topic: String

    @OptionGroup var output: OutputOptions
    @OptionGroup var door: DoorOptions

    func run(_ client: AdminClient) async throws {
        let request = DoorRequest(.get, ["topics", self.topic])
        let answer = try await client.send(request)
        if self.output.json { return try Output.write(document: answer.body) }
        let row = try client.decode(TopicRow.self, from: answer.body, request)
        try Output.write(lines: Self.lines(of: row))
    }

    private static func lines(of row: TopicRow) -> [String] {
        var facts = Facts(title: row.topic)
        facts.add("state", Self.state(row.end))
        facts.add(
            "messages",
            "\(Quantity.count(row.messages)), \(Quantity.bytes(row.bytes)) of payload"
        )
        facts.add("first", Self.edge(row.firstId, row.firstTime))
        facts.add("last", Self.edge(row.lastId, row.lastTime))
        facts.add(
            "removed",
            row.removedThrough.map { "messages up to id \(Quantity.count($0))" } ?? "nothing yet"
        )
        facts.add("rate in", Self.rates(row.rate, Quantity.rate))
        facts.add("", Self.rates(row.bytesRate, Quantity.bytesRate))
        facts.add(
            "since start",
            "\(Quantity.count(row.messagesIn)) in (\(Quantity.bytes(row.bytesIn))), "
                + "\(Quantity.count(row.messagesOut)) out (\(Quantity.bytes(row.bytesOut)))"
        )
        facts.add("subscribers", Quantity.count(row.subscribers))
        facts.add("policy", printable(row.policy))
        return facts.lines(Output.style)
    }

    private static func state(_ end: EndAnswer?) -> String {
        end.map { "\($0.sentence), \(printable($0.time))" } ?? "takes messages"
    }

    private static func edge(_ id: Int64?, _ time: String?) -> String {
        guard let id else { return "none" }
        return "id \(Quantity.count(id))" + (time.map { ", \(printable($0))" } ?? "")
    }

    private static func rates(_ rates: Rates, _ text: (Double) -> String) -> String {
        "\(text(rates.oneSecond)) over 1 s, \(text(rates.tenSeconds)) over 10 s, "
            + "\(text(rates.sixtySeconds)) over 60 s"
    }
}
