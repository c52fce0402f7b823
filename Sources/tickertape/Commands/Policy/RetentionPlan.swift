import ArgumentParser

/// What a change of policies would remove, asked of the broker beforehand.
struct RetentionPlan {
    private static let topicsShownMax = 50

    let client: AdminClient
    let request: PlanRequest

    private func ask() throws -> DoorRequest {
        try DoorRequest(.post, ["retention", "plan"]).json(self.request).takingLong()
    }

    func show(asJSON: Bool) async throws {
        let request = try self.ask()
        let answer = try await Progress.during("looking at the log") {
            try await self.client.send(request)
        }
        if asJSON { return try Output.write(document: answer.body) }
        let plan = try self.client.decode(PlanAnswer.self, from: answer.body, request)
        try Output.write(lines: plan.lines(width: Output.width, Output.style))
    }

    /// Asks on a terminal, when messages or topics would go; elsewhere says how many.
    ///
    /// - Throws: When the answer is not yes.
    func confirm(_ question: String) async throws {
        let request = try self.ask()
        let plan = try await Progress.during("looking at the log") {
            try await self.client.get(request, as: PlanAnswer.self)
        }
        guard plan.topicsTotal > 0 else { return }
        // A script that sets policies knows what it does; people may not.
        guard Output.isInputTerminal, Output.isErrorTerminal else {
            return Output.tell("this removes \(plan.amount)")
        }
        try Confirmation.ask("\(plan.sentence)\n\(question)")
    }

    static func shown(_ topics: [PlanAnswer.Topic]) -> ArraySlice<PlanAnswer.Topic> {
        topics.prefix(Self.topicsShownMax)
    }
}

extension PlanAnswer {
    typealias Topic = Joined<RemovalAnswer, Extent>

    /// `1,629 messages from 28 topics, 3 of them deleted`.
    var amount: String {
        "\(Quantity.counted(self.messages, "message")) from "
            + Quantity.counted(self.topicsTotal, "topic")
            + (self.topicsDeleted == 0
                ? "" : ", \(Quantity.count(self.topicsDeleted)) of them deleted")
    }

    var sentence: String {
        guard self.topicsTotal > 0 else { return "This removes nothing." }
        let amount = Quantity.counted(self.messages, "message")
        let place = Quantity.counted(self.topicsTotal, "topic")
        let ended = Quantity.counted(self.topicsDeleted, "topic")
        let gaps = Quantity.counted(Int64(self.affected.count), "connected subscriber")
        return "This removes \(amount) (\(Quantity.bytes(self.bytes)) of payload) from \(place)"
            + (self.topicsDeleted == 0 ? "; " : " and deletes \(ended) that ended long ago; ")
            + (self.subscribers.isEmpty ? "no connected subscriber sees" : "\(gaps) would see")
            + " a gap."
    }

    /// A subscriber with all it would miss; the broker tells of each of its topics.
    struct Affected {
        var first: Subscriber
        var topicsCount: Int64 = 0
        /// `nil` when that is not known of all topics.
        var messagesMissed: Int64? = 0
    }

    /// Those that would see a gap, each once, in the order of the broker.
    var affected: [Affected] {
        var affected: [Affected] = []
        var places: [Int64: Int] = [:]
        for subscriber in self.subscribers {
            let place = places[subscriber.id] ?? affected.count
            if place == affected.count {
                places[subscriber.id] = place
                affected.append(Affected(first: subscriber))
            }
            affected[place].topicsCount += 1
            affected[place].messagesMissed = affected[place].messagesMissed.flatMap { sum in
                subscriber.messagesMissed.map { sum + $0 }
            }
        }
        return affected
    }

    private static let topicColumns: [Table.Column] = [
        .init(title: "TOPIC", isShrinkable: true, ink: .cyan),
        .init(title: "MESSAGES", alignment: .right),
        .init(title: "BYTES", alignment: .right),
        .init(title: "UP TO ID", alignment: .right),
        .init(title: "TOPIC ITSELF", isOptional: true),
    ]

    private static let subscriberColumns: [Table.Column] = [
        .init(title: "SUBSCRIBER", alignment: .right),
        .init(title: "FOLLOWS", isShrinkable: true, ink: .cyan),
        .init(title: "TOPICS", alignment: .right),
        .init(title: "CURSOR", alignment: .right),
        .init(title: "MISSES", alignment: .right),
        .init(title: "TRANSPORT", isOptional: true),
        .init(title: "ADDRESS", isOptional: true),
    ]

    func lines(width: Int?, _ style: Style) -> [String] {
        var lines = [self.sentence]
        if !self.topics.isEmpty {
            let hasDeleted = self.topicsDeleted > 0
            let columns = hasDeleted ? Self.topicColumns : Self.topicColumns.dropLast()
            var table = Table(columns: columns, width: width, style: style)
            let shown = RetentionPlan.shown(self.topics)
            lines.append("")
            lines += table.lines(
                of: shown.map { topic in
                    [
                        printable(topic.topic), Quantity.count(topic.messages),
                        Quantity.bytes(topic.bytes),
                        topic.removedThrough.map(Quantity.count) ?? "-",
                    ] + (hasDeleted ? [topic.deletesTopic ? "deleted" : "stays"] : [])
                }
            )
            let rest = self.topicsTotal - Int64(shown.count)
            if rest > 0 { lines.append("and \(Quantity.counted(rest, "more topic"))") }
        }
        if !self.subscribers.isEmpty {
            var table = Table(columns: Self.subscriberColumns, width: width, style: style)
            lines.append("")
            lines += table.lines(
                of: self.affected.map { entry in
                    let subscriber = entry.first
                    return [
                        "\(subscriber.id)", printable(subscriber.topics.joined(separator: " ")),
                        Quantity.count(entry.topicsCount),
                        subscriber.cursor.map(Quantity.count) ?? "-",
                        entry.messagesMissed.map { Quantity.counted($0, "message") }
                            ?? "some messages",
                        printable(subscriber.transport), printable(subscriber.address),
                    ]
                }
            )
        }
        return lines
    }
}
