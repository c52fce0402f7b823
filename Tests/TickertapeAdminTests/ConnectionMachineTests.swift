import Testing

@testable import TickertapeAdmin

struct ConnectionMachineTests {
    private enum Input {
        case head(ConnectionMachine.Request)
        case body(Int)
        case end
        case wanted
        case answer
        case answered
        case failed(String)
    }

    /// What a machine that drops up to 100 bytes of a body says to each input.
    private func said(_ inputs: [Input]) -> [String] {
        var machine = ConnectionMachine(discardedBytesMax: 100)
        return inputs.map { input in
            switch input {
            case .head(let request): machine.received(request) ? "pass" : "drop"
            case .body(let bytes): machine.receivedBody(bytes: bytes) ? "pass" : "drop"
            case .end: machine.receivedEnd() ? "pass" : "drop"
            case .wanted: machine.wantsBody() ? "continue" : "no"
            case .answer: machine.answers() ? "last" : "keep"
            case .answered: "\(machine.answered())"
            case .failed(let reason): "\(machine.failed(reason))"
            }
        }
    }

    private static let empty = Input.head(.init(length: 0))

    @Test("A connection is kept for the next request when the body was read")
    func kept() {
        let inputs = [Input.head(.init(length: 4)), .body(4), .end, .answer, .answered]
        let passed = ["pass", "pass", "pass", "keep", "none"]
        #expect(self.said(inputs + inputs + inputs) == passed + passed + passed)
    }

    @Test("An answer before the end of the body is the last, unless little of it is left")
    func early() {
        for (length, came) in [(100, 0), (200, 100)] {
            let inputs = [Input.head(.init(length: length)), .body(came), .answer, .answered]
            #expect(
                self.said(inputs + [.body(1), .end, Self.empty])
                    == ["pass", "pass", "keep", "none", "pass", "pass", "pass"]
            )
        }
        for (length, came) in [(101, 0), (200, 99), (nil, 50)] {
            let inputs = [Input.head(.init(length: length)), .body(came), .answer, .answered]
            #expect(
                self.said(inputs + [.body(1), .end, Self.empty, .wanted])
                    == ["pass", "pass", "last", "linger", "drop", "drop", "drop", "no"]
            )
        }
    }

    @Test("A client that waits is asked once, when the body is wanted")
    func asked() {
        let waits = Input.head(.init(length: 4, awaitsContinue: true))
        #expect(
            self.said([waits, .wanted, .wanted, .body(4), .end, .answer, .answered])
                == ["pass", "continue", "no", "pass", "pass", "keep", "none"]
        )
        #expect(self.said([waits, .body(1), .wanted]) == ["pass", "pass", "no"])
        #expect(self.said([.head(.init(length: 4)), .wanted]) == ["pass", "no"])
        #expect(self.said([.head(.init(length: 0, awaitsContinue: true)), .wanted])[1] == "no")
    }

    @Test("A client that waits and is refused is not kept: its body may come or not")
    func refusedUnasked() {
        let waits = Input.head(.init(length: 4, awaitsContinue: true))
        #expect(self.said([waits, .answer, .answered]) == ["pass", "last", "linger"])
    }

    @Test("A client that asks for the close gets its answer, and nothing behind it is carried out")
    func closes() {
        let last = Input.head(.init(length: 0, asksForClose: true))
        #expect(
            self.said([
                Self.empty, .end, last, .end, Self.empty, .end, .answer, .answered, .answer,
                .answered,
            ])
                == [
                    "pass", "pass", "pass", "pass", "drop", "drop", "keep", "none", "last",
                    "linger",
                ]
        )
    }

    @Test("What is no HTTP is refused at once, or behind the answers that are due")
    func noHTTP() {
        let refused = #"refuse("rubbish")"#
        #expect(
            self.said([.failed("rubbish"), .failed("more"), Self.empty])
                == [refused, "none", "drop"]
        )
        #expect(
            self.said([
                Self.empty, .end, Self.empty, .end, .failed("rubbish"), .answer, .answered,
                .answer, .answered, .failed("more"),
            ])
                == [
                    "pass", "pass", "pass", "pass", "none", "keep", "none", "keep", refused,
                    "none",
                ]
        )
    }

    @Test("The reader of a broken body is told, and its answer is the last")
    func brokenBody() {
        #expect(
            self.said([.head(.init(length: nil)), .body(3), .failed("x"), .answer, .answered])
                == ["pass", "pass", "tellReader", "last", "linger"]
        )
    }

    @Test("A body that breaks off after its refusal is not refused again")
    func brokenAfterRefusal() {
        #expect(
            self.said([.head(.init(length: 50)), .answer, .answered, .failed("x"), Self.empty])
                == ["pass", "keep", "none", "linger", "drop"]
        )
    }
}
