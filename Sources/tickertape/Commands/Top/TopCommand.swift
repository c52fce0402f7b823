import ArgumentParser
import Foundation
import Synchronization
import UnixSignals

struct TopCommand: DoorCommand {
    static let configuration = CommandConfiguration(
        commandName: "top",
        abstract: "Watch the broker live: rates, hottest topics, slowest subscribers, log.",
        discussion: """
            q or Ctrl-C ends it; r, m, b, s and n sort the topics by rate, messages, bytes, \
            subscribers and name; p pauses. Without a terminal, --once prints one frame.
            """
    )

    private enum Event: Sendable {
        case sampled(TopSample)
        case failed(String)
        case key(Character)
        case resized
        case ended
    }

    @Option(help: "rate, messages, bytes, subscribers or name.")
    var sort = TopSort.rate

    @Option(
        parsing: .unconditional,
        help: .init("Between two frames: 0.1 to 3600.", valueName: "seconds")
    )
    var interval = 1.0

    @Flag(help: "Print one frame and end.")
    var once = false

    @Flag(help: "Print the statistics once as a JSON document, for programs.")
    var json = false

    @OptionGroup var door: DoorOptions

    func validate() throws {
        guard (0.1...3_600).contains(self.interval) else {
            throw ValidationError("--interval is 0.1 to 3600 seconds.")
        }
    }

    func run(_ client: AdminClient) async throws {
        if self.json {
            let answer = try await client.send(DoorRequest(.get, ["statistics"]))
            return try Output.write(document: answer.body)
        }
        guard self.once || Output.isTerminal else {
            throw CommandFailure("top needs a terminal; --once prints one frame", .usage)
        }
        // Whatever is wrong at first is said on the usual screen.
        let sample = try await TopSample.take(client, sortedBy: self.sort)
        guard !self.once else {
            let frame = TopFrame(sample: sample, sort: self.sort)
            let lines = frame.lines(width: Output.width, rows: nil, Output.style)
            return try Output.write(lines: lines)
        }
        let screen = TerminalScreen()
        defer { screen.leave() }
        try screen.enter()
        try await self.watch(client, sample, screen)
    }

    private func watch(
        _ client: AdminClient,
        _ first: TopSample,
        _ screen: TerminalScreen
    ) async throws {
        // What cannot be shown in time is worth nothing; the newest is, and so is the end.
        let (events, event) = AsyncStream<Event>.makeStream(bufferingPolicy: .bufferingNewest(64))
        let sort = Mutex(self.sort)
        let tasks = await self.startSources(event)
        TerminalScreen.readKeys { event.yield(.key($0)) }
        let interval = self.interval
        let sample: @Sendable () async -> Void = {
            let order = sort.withLock { $0 }
            do {
                event.yield(.sampled(try await TopSample.take(client, sortedBy: order)))
            } catch let failure as CommandFailure {
                event.yield(.failed(failure.sentence))
            } catch {}
        }
        let sampler = Task {
            while true {
                try await Task.sleep(for: .seconds(interval))
                await sample()
            }
        }
        defer {
            sampler.cancel()
            for task in tasks { task.cancel() }
        }
        var frame = TopFrame(sample: first, sort: self.sort)
        try Self.draw(frame, on: screen)
        for await next in events {
            switch next {
            case .ended, .key("q"), .key("Q"): return
            case .key("p"), .key(" "): frame.isPaused.toggle()
            case .key(let key):
                guard let order = TopSort(key: key) else { continue }
                sort.withLock { $0 = order }
                frame = TopFrame(sample: frame.sample, sort: order, isPaused: frame.isPaused)
                Task { await sample() }
            case .failed(let sentence): frame.failure = sentence
            case .sampled(let sample):
                guard !frame.isPaused else { continue }
                frame = TopFrame(sample: sample, sort: sort.withLock { $0 })
            case .resized: break
            }
            try Self.draw(frame, on: screen)
        }
    }

    private func startSources(_ event: AsyncStream<Event>.Continuation) async -> [Task<Void, Never>]
    {
        let ends = await UnixSignalsSequence(trapping: .sigint, .sigterm, .sighup)
        let sizes = await UnixSignalsSequence(trapping: .sigwinch, .sigcont)
        return [
            Task { for await _ in ends { event.yield(.ended) } },
            Task { for await _ in sizes { event.yield(.resized) } },
        ]
    }

    private static func draw(_ frame: TopFrame, on screen: TerminalScreen) throws {
        let size = Output.size(of: STDOUT_FILENO)
        try screen.draw(frame.lines(width: size.columns, rows: size.rows, Output.style))
    }
}
