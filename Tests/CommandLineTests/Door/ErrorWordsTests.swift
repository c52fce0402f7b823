import NIOCore
import Testing

@testable import tickertape

struct ErrorWordsTests {
    @Test("What the system says is said without the function that was called")
    func system() {
        let error = IOError(errnoCode: 98, reason: "bind(descriptor:ptr:bytes:)")
        #expect(words(for: error) == "Address already in use")
        #expect(
            words(for: Sentence("h, port 1 cannot be listened on: \(error)"))
                == "h, port 1 cannot be listened on: Address already in use"
        )
        #expect(
            words(
                for: Sentence(
                    "h, port 1 cannot be listened on: SocketAddressError.UnknownHost: "
                        + "Name or service not known (error -2) for host h, port 1"
                )
            ) == "h, port 1 cannot be listened on: Name or service not known"
        )
        #expect(words(for: Sentence("the file (it) is: gone")) == "the file (it) is: gone")
    }

    private struct Sentence: Error, CustomStringConvertible {
        let description: String
        init(_ description: String) { self.description = description }
    }

    @Test("A word of the shell is quoted where it has to be")
    func shell() {
        #expect(shellWord("stocks/AAPL") == "stocks/AAPL")
        #expect(shellWord("a b") == "'a b'")
        #expect(shellWord("it's") == "'it'\\''s'")
    }
}
