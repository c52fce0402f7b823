/// A market that never was: prices and headlines for the demo, the same ones for the same seed.
///
/// Pure: no IO, no clock, no lock, and no randomness but the seed's. The caller says what time
/// it is and publishes what it is given.
struct DemoMarket: Sendable {
    /// One message to publish.
    struct Post: Equatable, Sendable {
        let topic: String
        let event: String
        let key: String?
        /// JSON text.
        let data: String
    }

    /// The number of symbols on the board.
    static let symbolCount = DemoSymbol.all.count

    /// What pulls a price back, in parts of its distance per step: swings last some 100 trades.
    private static let pull = 0.01
    private static let recentMax = 12
    private static let sources = ["Demo Wire", "Tape Desk", "Practice Post", "Sample Street"]
    private static let moods = [
        "in early trading", "in steady trading", "on light volume", "on brisk volume",
        "since the open", "in a calm session", "as buyers and sellers trade places",
    ]
    private static let marketLines = [
        "Index funds see quiet session",
        "Volume settles after a busy stretch",
        "Bids and offers meet halfway",
        "Traders pause for coffee, the tape does not",
        "Morning figures land close to expectations",
        "Broad market drifts sideways",
        "Spreads narrow as the session matures",
        "Another minute, another yard of tape",
    ]

    /// The state of one line of the board.
    private struct Quote {
        let symbol: DemoSymbol
        let open: Double
        /// Where the price is pulled to; it wanders slowly around `open` itself.
        var target: Double
        var price: Double

        /// The change since the open, in tenths of a percent.
        var changePerMille: Int {
            nearest((self.price / self.open - 1) * 1000)
        }
    }

    private var random: SplitMix64
    private var quotes: [Quote]
    private var lastTraded = 0
    /// The last headlines, the oldest first; bounded by `recentMax`.
    private var recent: [String] = []

    /// Opens the market with prices drawn from `seed`.
    init(seed: UInt64) {
        var random = SplitMix64(state: seed)
        self.quotes = DemoSymbol.all.map { symbol in
            let spread = symbol.volatility * 12
            let open = roundedToCents(symbol.price * (1 + spread * random.bell()))
            let target = open * (1 + spread * random.bell())
            return Quote(symbol: symbol, open: open, target: target, price: open)
        }
        self.random = random
    }

    /// One trade of every symbol, so that a page has a full board at once.
    mutating func openingTrades(time: String) -> [Post] {
        self.quotes.indices.map { self.trade(at: $0, time: time) }
    }

    /// One trade of some symbol, never the same one twice in a row.
    mutating func nextTrade(time: String) -> Post {
        let step = 1 + self.random.index(below: self.quotes.count - 1)
        self.lastTraded = (self.lastTraded + step) % self.quotes.count
        return self.trade(at: self.lastTraded, time: time)
    }

    /// One headline about the board as it stands, none that was among the last few.
    mutating func nextHeadline(time: String) -> Post {
        var (section, headline) = self.headline()
        while self.recent.contains(headline) {
            (section, headline) = self.headline()
        }
        self.recent.append(headline)
        if self.recent.count > Self.recentMax { self.recent.removeFirst() }
        let source = Self.sources[self.random.index(below: Self.sources.count)]
        return Post(
            topic: "news/\(section)",
            event: "headline",
            key: nil,
            data: "{\"section\":\(json(section)),\"headline\":\(json(headline)),"
                + "\"source\":\(json(source)),\"time\":\(json(time))}"
        )
    }

    private mutating func trade(at index: Int, time: String) -> Post {
        self.quotes[index] = self.moved(self.quotes[index])
        let quote = self.quotes[index]
        let symbol = quote.symbol
        return Post(
            topic: "stocks/\(symbol.symbol)",
            event: "trade",
            key: symbol.symbol,
            data: "{\"symbol\":\(json(symbol.symbol)),\"name\":\(json(symbol.name)),"
                + "\"price\":\(cents(quote.price)),\"open\":\(cents(quote.open)),"
                + "\"time\":\(json(time))}"
        )
    }

    /// The quote one step of its walk later: a random factor, and a pull towards the target.
    private mutating func moved(_ quote: Quote) -> Quote {
        var quote = quote
        let volatility = quote.symbol.volatility
        let drift = Self.pull / 10 * (quote.open / quote.target - 1)
        quote.target *= 1 + volatility / 4 * self.random.bell() + drift
        let pull = Self.pull * (quote.target / quote.price - 1)
        let price = quote.price * (1 + volatility * self.random.bell() + pull)
        // Steps are far smaller than these bounds; they make "never zero, never absurd" certain.
        quote.price = min(max(price, quote.open / 2), quote.open * 2)
        return quote
    }

    private mutating func headline() -> (section: String, headline: String) {
        let quote = self.quotes[self.random.index(below: self.quotes.count)]
        switch self.random.index(below: 10) {
        case 0:
            let line = Self.marketLines[self.random.index(below: Self.marketLines.count)]
            return ("markets", line)
        case 1:
            let count = self.quotes.count { $0.price > $0.open }
            return ("markets", "\(count) of \(self.quotes.count) symbols above their open")
        case 2:
            return ("markets", self.leaders())
        case 3:
            return (quote.symbol.section, self.pair(with: quote))
        case 4:
            let price = cents(quote.price)
            return (quote.symbol.section, "\(quote.symbol.symbol) changes hands at \(price)")
        case 5:
            let level = nearest(quote.price)
            return (quote.symbol.section, "\(quote.symbol.name) holds near \(level)")
        default:
            let mood = Self.moods[self.random.index(below: Self.moods.count)]
            return (quote.symbol.section, "\(quote.symbol.name) \(movement(of: quote)) \(mood)")
        }
    }

    /// The strongest and the weakest symbol of the moment.
    private mutating func leaders() -> String {
        let ranked = self.quotes.sorted { $0.changePerMille > $1.changePerMille }
        guard let first = ranked.first, let last = ranked.last else { return "An empty board" }
        switch self.random.index(below: 3) {
        case 0: return "\(first.symbol.name) leads the board, \(last.symbol.name) trails"
        case 1: return "\(first.symbol.name) on top of the board, \(movement(of: first))"
        default: return "\(last.symbol.name) at the foot of the board, \(movement(of: last))"
        }
    }

    private mutating func pair(with quote: Quote) -> String {
        let other = self.quotes[self.random.index(below: self.quotes.count)]
        guard other.symbol != quote.symbol else {
            return "\(quote.symbol.name) goes its own way"
        }
        let isTogether = (other.changePerMille < 0) == (quote.changePerMille < 0)
        let way = isTogether ? "move in step" : "go separate ways"
        return "\(quote.symbol.name) and \(other.symbol.name) \(way)"
    }

    private func movement(of quote: Quote) -> String {
        let change = quote.changePerMille
        let size = "\(change.magnitude / 10).\(change.magnitude % 10)%"
        if change > 0 { return "up \(size)" }
        if change < 0 { return "down \(size)" }
        return "unchanged"
    }
}

private func roundedToCents(_ price: Double) -> Double {
    Double(nearest(price * 100)) / 100
}

/// The nearest whole number, without `rounded()`, which would need the C library's mathematics.
private func nearest(_ value: Double) -> Int {
    Int(value < 0 ? value - 0.5 : value + 0.5)
}

/// A positive price with exactly two decimals.
private func cents(_ price: Double) -> String {
    let cents = nearest(price * 100)
    let fraction = cents % 100
    return "\(cents / 100).\(fraction < 10 ? "0" : "")\(fraction)"
}

/// A JSON string with its quotes (RFC 8259 §7).
private func json(_ text: String) -> String {
    var escaped = "\""
    for scalar in text.unicodeScalars {
        switch scalar {
        case "\"", "\\":
            escaped += "\\\(scalar)"
        case "\u{0}"..<"\u{20}":
            let digits = String(scalar.value, radix: 16)
            escaped += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
        default:
            escaped.unicodeScalars.append(scalar)
        }
    }
    return escaped + "\""
}
