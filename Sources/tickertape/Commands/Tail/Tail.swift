import AsyncHTTPClient
import Foundation
import NIOCore

/// Where a tail begins.
enum TailStart: Equatable, Sendable {
    /// With what is published from now on.
    case live
    case after(Int64)
    /// The last messages of each topic.
    case last(Int64)
    /// RFC 3339.
    case since(String)

    var query: [(name: String, value: String?)] {
        switch self {
        case .live: []
        case .after(let id): [("after", String(id))]
        case .last(let count): [("tail", String(count))]
        case .since(let time): [("since", time)]
        }
    }
}

/// Follows patterns, and goes on behind the last message when the connection breaks.
struct Tail: Sendable {
    private struct Gap: Decodable {
        let after: Int64
        let resumed: Int64?
        let reason: String
    }

    private struct Place: Decodable { let id: Int64 }

    private struct End: Decodable {
        let topic: String?
        let reason: String?
    }

    /// What one connection left behind.
    private struct Position {
        var start: TailStart
        var countLeft: Int64?
        var wasConnected = false
        var isLive = false
        var isBroken = false
        var backoff = Backoff()

        mutating func reached(_ id: Int64) { self.start = .after(id) }
    }

    let client: AdminClient
    let patterns: [String]
    let start: TailStart
    let countMax: Int64?
    let isFollowing: Bool
    /// The line for a message.
    let line: @Sendable ([UInt8]) throws -> [UInt8]

    /// Ends when what was asked for has been printed.
    ///
    /// - Throws: When the broker cannot be reached at first, or refuses.
    func run() async throws {
        var position = Position(start: self.start, countLeft: self.countMax)
        while true {
            do {
                if try await self.follow(&position) { return }
            } catch let error as OutputClosed {
                throw error
            } catch {
                try Task.checkCancellation()
                let failure = DoorSentence.describe(error, self.client.address)
                // At first nobody knows whether there is a broker at all; later it comes back.
                guard position.wasConnected, let failure = failure as? CommandFailure,
                    failure.exitCode == .unreachable
                else { throw failure }
                self.tellBroken(failure.sentence, &position)
            }
            try await Task.sleep(for: position.backoff.next())
        }
    }

    private func tellBroken(_ sentence: String, _ position: inout Position) {
        guard !position.isBroken else { return }
        position.isBroken = true
        Output.tell("\(sentence); waiting for it")
    }

    /// For people in front of an empty window.
    private func tellFollowing(_ position: inout Position) {
        position.isLive = true
        guard self.isFollowing, Output.isErrorTerminal else { return }
        let patterns = printable(self.patterns.joined(separator: " "))
        Output.tell("following \(patterns); Ctrl-C ends it")
    }

    private var request: DoorRequest {
        DoorRequest(.get, ["events"], query: self.patterns.map { ("topic", $0) })
    }

    /// - Returns: Whether all that was asked for is done; otherwise the connection has ended.
    private func follow(_ position: inout Position) async throws -> Bool {
        let request = DoorRequest(
            .get,
            ["events"],
            query: self.patterns.map { ("topic", $0) } + position.start.query
        )
        let response = try await self.client.open(request.takingLong())
        switch response.status {
        case 200: break
        case 204:
            return try await self.tellNothingToCome()
        default:
            try self.refused(try await response.collect(), &position)
            return false
        }
        position.wasConnected = true
        var blocks = EventBlocks()
        for try await buffer in response.body {
            if position.isBroken {
                position.isBroken = false
                Output.tell("connected again")
            }
            position.backoff = Backoff()
            if try self.take(blocks.append(buffer.readableBytesView), &position) { return true }
        }
        self.tellBroken("\(DoorSentence.name(of: self.client.address)) has stopped", &position)
        return false
    }

    private func refused(_ answer: AdminClient.Answer, _ position: inout Position) throws {
        let address = self.client.address
        let failure = DoorProblem.failure(
            status: answer.status,
            body: answer.body,
            address,
            request: self.request.line
        )
        let problem = try? DoorJSON.decoder.decode(DoorProblem.self, from: answer.body)
        guard position.wasConnected, let problem, problem.isPassing else { throw failure }
        self.tellBroken(failure.sentence, &position)
    }

    /// Prints what one read brought, in one write.
    ///
    /// - Returns: Whether all that was asked for is done.
    private func take(_ events: [EventBlock], _ position: inout Position) throws -> Bool {
        var lines: [UInt8] = []
        var isDone = false
        for event in events where !isDone {
            isDone = try self.take(event, into: &lines, &position)
        }
        if !lines.isEmpty { try Output.write(lines) }
        return isDone
    }

    private func take(
        _ event: EventBlock,
        into lines: inout [UInt8],
        _ position: inout Position
    ) throws -> Bool {
        switch event.event {
        case "message":
            guard !event.data.isEmpty else {
                // A sign of life that says how far the broker has looked.
                if let id = event.id.flatMap({ Int64($0) }) { position.reached(id) }
                return false
            }
            lines += try self.line(event.data)
            if let id = event.id.flatMap({ Int64($0) }) { position.reached(id) }
            guard let left = position.countLeft else { return false }
            position.countLeft = left - 1
            return left <= 1
        case "caught_up":
            if let place = self.decode(Place.self, event) { position.reached(place.id) }
            if !position.isLive { self.tellFollowing(&position) }
            return !self.isFollowing
        case "gap":
            if let gap = self.decode(Gap.self, event) { Output.tell(Self.sentence(of: gap)) }
            return false
        case "end":
            let topic = self.decode(End.self, event)?.topic ?? self.patterns.joined(separator: ", ")
            if !lines.isEmpty { try Output.write(lines) }
            lines = []
            try Self.tellEnd(of: topic, self.decode(End.self, event)?.reason)
            return true
        default: return false
        }
    }

    /// - Throws: When the topic was deleted, which its readers did not expect.
    private static func tellEnd(of topic: String, _ reason: String?) throws {
        switch reason {
        case "ended": Output.tell("\(printable(topic)) has ended")
        case "stopped": Output.tell("\(printable(topic)) was stopped by a reader")
        default: throw CommandFailure("\(printable(topic)) has been deleted", .missing)
        }
    }

    /// Says why nothing comes any more, which the answer does not: its topics have ended, or were
    /// deleted.
    ///
    /// - Returns: `false` when one of them was reopened meanwhile.
    private func tellNothingToCome() async throws -> Bool {
        for topic in self.patterns {
            do {
                let row = try await self.client.get(
                    DoorRequest(.get, ["topics", topic]),
                    as: TopicPlace.self
                )
                guard let end = row.end else { return false }
                try Self.tellEnd(of: topic, end.reason)
                return true
            } catch let failure as CommandFailure where failure.exitCode == .missing {
                continue
            }
        }
        try Self.tellEnd(of: self.patterns.joined(separator: ", "), nil)
        return true
    }

    private func decode<Value: Decodable>(_ type: Value.Type, _ event: EventBlock) -> Value? {
        try? DoorJSON.decoder.decode(type, from: Data(event.data))
    }

    private static func sentence(of gap: Gap) -> String {
        let why =
            switch gap.reason {
            case "retention": "retention has removed messages"
            case "reset": "the log is not the one that this began on"
            default: "messages are missing"
            }
        let place = gap.resumed.map { "; it goes on at \($0)" } ?? ""
        return "gap behind id \(gap.after): \(why)\(place)"
    }
}
