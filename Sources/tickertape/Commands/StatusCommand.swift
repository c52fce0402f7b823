import ArgumentParser

struct StatusCommand: DoorCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Show whether the broker runs, and what it holds."
    )

    @OptionGroup var output: OutputOptions
    @OptionGroup var door: DoorOptions

    func run(_ client: AdminClient) async throws {
        let request = DoorRequest(.get, ["status"])
        let answer = try await client.send(request)
        if self.output.json { return try Output.write(document: answer.body) }
        let status = try client.decode(StatusAnswer.self, from: answer.body, request)
        try Output.write(lines: Self.lines(of: status, Output.style))
    }

    private static func lines(of status: StatusAnswer, _ style: Style) -> [String] {
        var facts = Facts(title: "tickertape \(status.version)")
        let state = style.paint(status.state, status.state == "serving" ? .green : .yellow)
        let log = status.log
        facts.add(
            "state",
            status.isWritable
                ? state : "\(state), " + style.paint("the log cannot be written", .red)
        )
        facts.add("address", printable(status.address))
        facts.add("data", printable(status.dataDirectory))
        facts.add(
            "started",
            "\(printable(status.startedAt)), "
                + "\(Quantity.duration(seconds: status.uptimeSeconds)) ago"
        )
        facts.add(
            "log",
            "\(Quantity.counted(log.messages, "message")), \(Quantity.bytes(log.bytes)) of payload, "
                + "last id \(Quantity.count(log.head))"
        )
        facts.add(
            "on disk",
            "\(Quantity.bytes(log.databaseBytes)) (\(Quantity.bytes(log.databaseFreeBytes)) unused), "
                + "\(Quantity.bytes(log.writeAheadLogBytes)) write-ahead log, "
                + "\(Quantity.bytes(log.diskFreeBytes)) free on the disk"
        )
        facts.add(
            "topics",
            "\(Quantity.count(status.topics)), "
                + "\(Quantity.count(status.topicsEnded)) of them ended"
        )
        facts.add("policies", Quantity.count(status.policies))
        facts.add(
            "subscribers",
            "\(Quantity.count(status.subscribers.eventStream)) over event streams, "
                + "\(Quantity.count(status.subscribers.websocket)) over WebSockets"
        )
        facts.add("connections", Quantity.count(status.connections))
        return facts.lines(style)
    }
}
