import ArgumentParser
import Foundation

struct PublishCommand: DoorCommand {
    static let configuration = CommandConfiguration(
        commandName: "publish",
        abstract: "Publish a message, or one for each line of standard input.",
        discussion: """
            The message is the argument, a file, or standard input as a whole ('-', or nothing), \
            taken as it is. With --lines every line is a message of its own, sent as it comes, so \
            that the input need not end:

              tickertape publish news/finance 'Markets are open'
              tickertape publish stocks/AAPL --event trade --file tick.json
              tail -F access.log | tickertape publish logs/web --lines
              my-model | tickertape publish answers/7 --lines --end

            A broker that is restarted is waited for; lines it has not taken are sent again, lines \
            it has taken are not. If a connection breaks in mid-air, nobody knows about the lines \
            on it: they are not sent again, and it says so.
            """
    )

    @Argument(
        help: "The topic.",
        completion: TopicCompletion.topics,
        transform: NameArgument.topic
    )
    var topic: String

    @Argument(help: "The message; '-' or nothing reads it from standard input.")
    var data: String?

    @Option(help: "Read the message from this file.", completion: .file())
    var file: String?

    @Option(help: "The name of the event.")
    var event: String?

    @Option(help: "The key of the message.")
    var key: String?

    @Option(help: "A retry with the same key returns the first answer and publishes nothing.")
    var idempotencyKey: String?

    @Flag(help: "The topic ends: with this message, or with --lines after the last line.")
    var end = false

    @Flag(help: "Every line of standard input, or of --file, is one message.")
    var lines = false

    @Option(
        parsing: .unconditional,
        help: .init(
            "With --lines, once connected: how long to wait for a broker that went away. (default: 1m)",
            valueName: "time"
        ),
        transform: TypedQuantity.seconds
    )
    var retryFor: Int64?

    @OptionGroup var output: OutputOptions
    @OptionGroup var door: DoorOptions

    func validate() throws {
        if self.data != nil, self.file != nil {
            throw ValidationError("Give the message or --file, not both.")
        }
        if self.lines, let data = self.data, data != "-" {
            throw ValidationError("With --lines the messages come from standard input or --file.")
        }
        if !self.lines, self.retryFor != nil {
            throw ValidationError("--retry-for goes with --lines; one message is not sent again.")
        }
        if self.lines, self.idempotencyKey != nil {
            throw ValidationError(
                "--idempotency-key is for one message; with --lines it has no use."
            )
        }
    }

    func run(_ client: AdminClient) async throws {
        do {
            try await self.publish(client)
        } catch let failure as CommandFailure where failure.exitCode == .missing {
            // The policy creates no topics: the topic is the one thing named here.
            throw CommandFailure(
                "\(failure.sentence); create it with: tickertape topic create "
                    + printable(shellWord(self.topic)),
                .missing
            )
        }
    }

    private func publish(_ client: AdminClient) async throws {
        if self.lines { return try await self.publishLines(client) }
        let payload = try await self.payload()
        let request = DoorRequest(
            .post,
            ["topics", self.topic, "messages"],
            query: [
                ("event", self.event), ("key", self.key), ("end", self.end ? "true" : nil),
            ]
        ).payload(payload).header("idempotency-key", self.idempotencyKey)
        let answer = try await client.send(request)
        if self.output.json { return try Output.write(document: answer.body) }
        let published = try client.decode(PublishAnswer.self, from: answer.body, request)
        try Output.write(
            line: "published \(Quantity.count(published.id)) to \(printable(published.topic))"
                + (published.ended == true ? ", which has ended" : "")
        )
    }

    private func payload() async throws -> [UInt8] {
        if let data = self.data, data != "-" { return Array(data.utf8) }
        if self.file == nil, Output.isInputTerminal {
            Output.tell("type the message; Ctrl-D at the start of a line ends it")
        }
        return try InputFile(self.file).readAll()
    }

    private func publishLines(_ client: AdminClient) async throws {
        let input = try InputFile(self.file)
        let publisher = LinePublisher(
            client: client,
            topic: self.topic,
            query: [("event", self.event), ("key", self.key)],
            ends: self.end,
            retrySeconds: self.retryFor ?? 60
        )
        let summary = try await publisher.run(InputLines(input.descriptor))
        if self.output.json { return try Output.write(document: summary) }
        try Output.write(line: summary.sentence)
    }
}
