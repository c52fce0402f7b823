/// A language model that never was: one answer out of a few, cut into tokens and paced.
///
/// Pure: the same question and seed give the same tokens, so that an answer can be begun again.
struct DemoModel: Sendable {
    /// The whole answer, in pieces as models make them; at least one.
    let tokens: [String]
    private let tokensPerSecond: Double
    private var random: SplitMix64

    static let busyText = "Too many answers are being written just now. Ask again in a moment."
    private static let questionCharactersMax = 400
    private static let rates = (slowest: 22.0, fastest: 70.0)

    init(question: String, seed: UInt64) {
        var random = SplitMix64(state: seed)
        let answer = Self.answer(to: question, &random)
        let quoted = String(question.prefix(Self.questionCharactersMax))
            .split(whereSeparator: \.isNewline).joined(separator: " ")
        self.tokens = demoTokens(of: answer.replacing("{question}", with: quoted), &random)
        let (slowest, fastest) = Self.rates
        self.tokensPerSecond = slowest + (fastest - slowest) * random.fraction()
        self.random = random
    }

    /// The thinking before the first token.
    mutating func firstDelayMilliseconds() -> Int64 {
        350 + Int64(self.random.index(below: 500))
    }

    /// Mostly about the same, and now and then a pause.
    mutating func nextDelayMilliseconds() -> Int64 {
        let usual = 1_000 / self.tokensPerSecond * (0.4 + 1.2 * self.random.fraction())
        let isPause = self.random.index(below: 90) == 0
        return Int64(usual) + (isPause ? 250 + Int64(self.random.index(below: 600)) : 0)
    }

    private static func answer(to question: String, _ random: inout SplitMix64) -> String {
        let asked = question.lowercased()
        let fitting = DemoAnswer.all.filter { $0.words.contains { asked.contains($0) } }
        if let first = fitting.first { return first.text }
        return DemoAnswer.all[random.index(below: DemoAnswer.all.count)].text
    }
}

/// One of the answers there are.
struct DemoAnswer: Sendable {
    /// Questions with one of these get it.
    let words: [String]
    /// Markdown.
    let text: String

    /// Each begins with a line of `===` and its words.
    static let all: [DemoAnswer] = {
        let lines = String(decoding: PackageResources.answers_md, as: UTF8.self)
            .split(separator: "\n", omittingEmptySubsequences: false)
        let answers = lines.split(omittingEmptySubsequences: true) { $0.hasPrefix("=== ") }
        let heads = lines.filter { $0.hasPrefix("=== ") }
        precondition(answers.count == heads.count && !heads.isEmpty, "the demo has answers")
        return zip(heads, answers).map { head, text in
            let words = head.dropFirst(4).split(separator: ", ").map(String.init)
            let end = text.lastIndex { !$0.isEmpty } ?? text.startIndex
            return DemoAnswer(words: words, text: text[...end].joined(separator: "\n"))
        }
    }()
}

/// Cuts a text as the vocabularies of models do: short words whole and with the space before them,
/// long ones in pieces, and everything else one scalar at a time, so that what is seen as one
/// character may well come in several tokens.
func demoTokens(of text: String, _ random: inout SplitMix64) -> [String] {
    var tokens: [String] = []
    var token = ""
    var letters = 0
    var lettersMax = 0
    func close() {
        if !token.isEmpty { tokens.append(token) }
        (token, letters) = ("", 0)
    }
    for scalar in text.unicodeScalars {
        if scalar.properties.isAlphabetic || scalar.properties.numericType != nil {
            if letters > 0 && letters == lettersMax { close() }
            if letters == 0 { lettersMax = 4 + random.index(below: 5) }
            letters += 1
            token.unicodeScalars.append(scalar)
        } else {
            close()
            token.unicodeScalars.append(scalar)
            // A space goes with the word behind it.
            if scalar != " " { close() }
        }
    }
    close()
    return tokens
}
