import Testing
import TickertapeWire

@testable import TickertapeServer

struct DemoModelTests {
    private func text(_ question: String, seed: UInt64 = 1) -> String {
        DemoModel(question: question, seed: seed).tokens.joined()
    }

    @Test("A question gets the answer that has one of its words")
    func answers() {
        #expect(DemoAnswer.all.count == 8)
        for answer in DemoAnswer.all {
            for word in answer.words {
                let said = self.text("Tell me about \(word.uppercased())!")
                let first = DemoAnswer.all.first { other in
                    other.words.contains { "tell me about \(word)!".contains($0) }
                }
                #expect(said.prefix(20) == first?.text.prefix(20), "\(word)")
            }
        }
        let others = Set((1...100).map { self.text("Qqq?", seed: $0).prefix(20) })
        #expect(others.count == DemoAnswer.all.count)
    }

    @Test("What is asked is quoted as it is, in one line and at most so long")
    func quotes() {
        #expect(self.text("<b>html</b>\n& more").contains("asked about: <b>html</b> & more\n"))
        let long = self.text("html " + String(repeating: "x", count: 10_000))
        #expect(long.count < 3_000)
    }

    @Test("The same question and seed give the same tokens, so that an answer can be begun again")
    func repeats() {
        for seed in UInt64(1)...20 {
            let (one, two) = (
                DemoModel(question: "code", seed: seed), DemoModel(question: "code", seed: seed)
            )
            #expect(one.tokens == two.tokens)
        }
        let cuts = Set((1...20).map { DemoModel(question: "code", seed: $0).tokens })
        #expect(cuts.count == 20)
    }

    @Test("Tokens are short, none is empty, and characters are cut inside")
    func tokens() {
        for answer in DemoAnswer.all {
            var random = SplitMix64(state: 7)
            let tokens = demoTokens(of: answer.text, &random)
            #expect(tokens.joined().utf8.elementsEqual(answer.text.utf8))
            #expect(tokens.allSatisfy { (1...9).contains($0.unicodeScalars.count) })
            #expect(tokens.count > 150)
        }
        let family = "👨‍👩‍👧‍👦"
        var random = SplitMix64(state: 7)
        #expect(demoTokens(of: family, &random).count == 7)
    }

    @Test("It is as fast as models are: 20 to 60 tokens a second, with pauses")
    func pace() {
        for seed in UInt64(1)...50 {
            var model = DemoModel(question: "?", seed: seed)
            #expect((350..<850).contains(model.firstDelayMilliseconds()))
            let delays = (0..<2_000).map { _ in model.nextDelayMilliseconds() }
            let mean = Double(delays.reduce(0, +)) / 2_000
            #expect((14.0...62).contains(mean), "\(mean)")
            #expect(delays.contains { $0 >= 250 } && delays.allSatisfy { $0 < 1_000 })
        }
    }
}

struct ClientFileTests {
    @Test("A tag is strong, and one for each content")
    func tags() {
        let (one, two) = (contentTag(of: [1]), contentTag(of: [2]))
        #expect(one == "\"4bf5122f344554c53bde2ebb8cd2b7e3\"")
        #expect(one != two)
        #expect(Set(ClientFile.allCases.map(\.content.tag)).count == ClientFile.allCases.count)
    }

    @Test(
        "A list of tags names one by any comparison",
        arguments: [
            ("\"a\"", true), ("*", true), ("W/\"a\"", true), (" \"b\" ,\t\"a\"", true),
            ("\"b\",*", true),
            ("", false), ("a", false), ("\"A\"", false), ("\"b\"", false), ("w/\"a\"", false),
            ("\"a", false), (",", false), ("\"a\"x", false),
        ]
    )
    func lists(list: String, names: Bool) {
        #expect(tagList(list, names: "\"a\"") == names)
    }
}
