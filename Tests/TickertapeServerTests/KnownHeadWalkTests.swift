import NIOCore
import Testing
import TickertapeCore
import TickertapeTestSupport

@testable import TickertapeServer

/// Random requests in random pieces, with known heads and without.
struct KnownHeadWalkTests {
    private static var limits: Limits {
        var limits = Limits()
        limits.messageBytesMax = 300
        limits.pipelinedRequestsMax = 4
        return limits
    }

    /// Requests in the order sent, and what has to come of them.
    private struct Plan {
        var requests: [[UInt8]] = []
        var statuses: [Int] = []
        var logged: [String] = []

        mutating func add(_ random: inout SeededGenerator) {
            switch random.int(0...19) {
            case 0: self.add(get("/healthz"), 200)
            case 1: self.add(get("/topics/a/messages/9999"), 404)
            case 2:
                let body = String(repeating: "\r\n", count: random.int(0...9))
                self.add(post("/elsewhere", body), 404)
                self.add(post("/elsewhere", body).replacing("POST", with: "GET"), 404)
            default: self.addPublish(&random)
            }
        }

        private mutating func add(_ text: String, _ status: Int) {
            self.requests.append(Array(text.utf8))
            self.statuses.append(status)
        }

        private mutating func addPublish(_ random: inout SeededGenerator) {
            let topic = random.oneIn(3) ? random.pick(["b", "c/d", "messages", "a/messages"]) : "a"
            let data = self.data(&random)
            var fields: [String] = []
            if random.oneIn(12) { fields.append("Idempotency-Key: \(self.requests.count)") }
            if random.oneIn(12) { fields.append("X-Content-Length: 5") }
            let target = "/topics/\(topic)/messages"
            let text =
                fields.isEmpty
                ? post(target, data) : post(target, data, fields.joined(separator: "\r\n"))
            self.add(text, data.utf8.count > 300 ? 413 : 201)
            if data.utf8.count > 300 { return }
            if !data.isEmpty && random.oneIn(12) {
                self.requests[self.requests.count - 1][text.utf8.count - 1] = 0xC3
                self.statuses[self.statuses.count - 1] = 415
            } else {
                self.logged.append("\(self.logged.count + 1) \(topic) \(data)")
            }
        }

        private func data(_ random: inout SeededGenerator) -> String {
            let length = random.pick([0, random.int(1...40), random.int(1...301), 300, 301])
            let pieces = ["x", "\r\n", "POST ", "Content-Length: 9\r\n", "0", "\u{0}"]
            var data = ""
            while data.utf8.count < length { data += random.pick(pieces) }
            return String(decoding: data.utf8.prefix(length), as: UTF8.self)
        }
    }

    private enum Cut: CaseIterable {
        case eachRequest, someRequests, anywhere
    }

    /// Cuts requests into reads, with other things between.
    private func acts(
        _ requests: [[UInt8]],
        _ cut: Cut,
        _ random: inout SeededGenerator
    ) -> [Act] {
        var acts: [Act] = []
        var rest = requests[...]
        while !rest.isEmpty {
            let count = cut != .eachRequest && random.oneIn(3) ? random.int(1...6) : 1
            var bytes = Array(rest.prefix(count).joined())[...]
            rest = rest.dropFirst(count)
            while cut == .anywhere && !bytes.isEmpty && random.oneIn(4) {
                let piece = bytes.prefix(random.int(1...bytes.count))
                bytes = bytes.dropFirst(piece.count)
                acts.append(.read(Array(piece)))
            }
            if !bytes.isEmpty { acts.append(.read(Array(bytes))) }
            // Who is held once is left to the decoder: some connections never are.
            if cut == .eachRequest {
                acts.append(.run)
                continue
            }
            if random.oneIn(2) { acts.append(.run) }
            if random.oneIn(20) { acts.append(.writable(false)) }
            if random.oneIn(8) { acts += [.run, .writable(true)] }
        }
        return acts + [.writable(true)]
    }

    @Test("Random requests, however they are cut, have their answers and messages in order")
    func walk() throws {
        let seed = Seed()
        var random = seed.generator
        var decoded = 0
        var sent = 0
        for _ in 0..<100 {
            var plan = Plan()
            for _ in 0..<random.int(1...40) { plan.add(&random) }
            let cut = random.pick(Cut.allCases)
            let acts = self.acts(plan.requests, cut, &random)
            let fixture = try ConnectionFixture(Self.limits)
            let counter = try fixture.countDecoded()
            let outcome = try Outcome(acts, fixture)
            try #require(outcome.statuses == plan.statuses, "\(seed)")
            try #require(outcome.logged == plan.logged, "\(seed)")
            let plain = try ConnectionFixture(Self.limits)
            try plain.removeShortcut()
            try #require(try Outcome(acts, plain) == outcome, "\(seed)")
            guard cut == .eachRequest else { continue }
            decoded += counter.bytes
            sent += plan.requests.joined().count
        }
        #expect(decoded < sent * 9 / 10, "\(seed): the shortcut is hardly taken")
    }

    @Test("Whatever is wrong with the bytes, what happens is what the decoder alone does")
    func mangled() throws {
        let seed = Seed()
        var random = seed.generator
        for _ in 0..<400 {
            var plan = Plan()
            for _ in 0..<random.int(1...4) { plan.add(&random) }
            // Mostly heads that were sent before.
            var requests = (0..<random.int(3...12)).map { _ in random.pick(plan.requests) }
            for _ in 0..<random.int(1...2) {
                self.mangle(&requests[random.int(0...requests.count - 1)], &random)
            }
            let acts = self.acts(requests, random.pick(Cut.allCases), &random)
            let outcome = try Outcome(acts, try ConnectionFixture(Self.limits))
            let plain = try ConnectionFixture(Self.limits)
            try plain.removeShortcut()
            try #require(try Outcome(acts, plain) == outcome, "\(seed)")
        }
    }

    private static let debris = [
        "\r", "\n", "\r\n", "\r\n\r\n", " ", "\t", "0", "9", ":", "\u{0}",
        "Content-Length: 3\r\n", "Content-Length : 3\r\n", " folded\r\n", "Connection: close\r\n",
        "Upgrade: x\r\n", "Transfer-Encoding: chunked\r\n", "Expect: 100-continue\r\n",
        "/", "..", "%41", "/messages", "messages/", "*", "?", "#",
    ]

    private func mangle(_ bytes: inout [UInt8], _ random: inout SeededGenerator) {
        let index = random.int(0...bytes.count - 1)
        // Fields fit behind a line.
        let lineEnd = bytes[index...].firstIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? index
        switch random.int(0...4) {
        case 0: bytes.remove(at: index)
        case 1: bytes[index] = UInt8.random(in: 0...255, using: &random)
        case 2: bytes.insert(contentsOf: random.pick(Self.debris).utf8, at: index)
        case 3: bytes.insert(contentsOf: random.pick(Self.debris).utf8, at: lineEnd)
        default:
            // CR or LF of a line.
            if lineEnd > index { bytes.remove(at: lineEnd - random.int(1...2)) }
        }
    }
}
