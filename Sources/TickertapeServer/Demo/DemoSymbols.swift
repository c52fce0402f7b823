/// One line of the demo's board: a well-known symbol with an invented price.
struct DemoSymbol: Equatable, Sendable {
    let symbol: String
    let name: String
    /// The news section its headlines appear in.
    let section: String
    /// The price its opening price is drawn around.
    let price: Double
    /// The standard deviation of one step, in parts of the price.
    let volatility: Double

    private init(
        _ symbol: String,
        _ name: String,
        _ section: String,
        _ price: Double,
        _ volatility: Double
    ) {
        self.symbol = symbol
        self.name = name
        self.section = section
        self.price = price
        self.volatility = volatility
    }

    /// Every symbol of the demo; some have dots, which is why levels of a topic are slashes.
    static let all: [DemoSymbol] = [
        DemoSymbol("AAPL", "Apple", "technology", 187.30, 0.0008),
        DemoSymbol("AMD", "AMD", "technology", 154.80, 0.0016),
        DemoSymbol("AMZN", "Amazon", "consumer", 182.60, 0.0010),
        DemoSymbol("ASML.AS", "ASML", "technology", 868.40, 0.0012),
        DemoSymbol("BA", "Boeing", "industry", 178.90, 0.0011),
        DemoSymbol("BRK.B", "Berkshire Hathaway", "finance", 412.70, 0.0005),
        DemoSymbol("CAT", "Caterpillar", "industry", 336.20, 0.0008),
        DemoSymbol("DIS", "Walt Disney", "consumer", 101.40, 0.0009),
        DemoSymbol("GOOGL", "Alphabet", "technology", 172.50, 0.0010),
        DemoSymbol("IBM", "IBM", "technology", 191.10, 0.0006),
        DemoSymbol("JNJ", "Johnson & Johnson", "health", 152.30, 0.0004),
        DemoSymbol("JPM", "JPMorgan Chase", "finance", 201.90, 0.0007),
        DemoSymbol("KO", "Coca-Cola", "consumer", 63.40, 0.0004),
        DemoSymbol("MCD", "McDonald's", "consumer", 268.70, 0.0006),
        DemoSymbol("META", "Meta Platforms", "technology", 494.20, 0.0012),
        DemoSymbol("MSFT", "Microsoft", "technology", 421.60, 0.0008),
        DemoSymbol("NESN.SW", "Nestlé", "consumer", 93.80, 0.0005),
        DemoSymbol("NFLX", "Netflix", "technology", 636.50, 0.0013),
        DemoSymbol("NKE", "Nike", "consumer", 94.10, 0.0010),
        DemoSymbol("NVDA", "NVIDIA", "technology", 121.70, 0.0017),
        DemoSymbol("SAP.DE", "SAP", "technology", 179.30, 0.0008),
        DemoSymbol("TSLA", "Tesla", "industry", 208.40, 0.0019),
        DemoSymbol("V", "Visa", "finance", 274.80, 0.0006),
        DemoSymbol("WMT", "Walmart", "consumer", 67.90, 0.0005),
        DemoSymbol("XOM", "ExxonMobil", "energy", 114.60, 0.0008),
        DemoSymbol("0700.HK", "Tencent", "technology", 381.20, 0.0011),
        DemoSymbol("7203.T", "Toyota Motor", "industry", 3104.00, 0.0009),
        DemoSymbol("600519.SH", "Kweichow Moutai", "consumer", 1642.00, 0.0009),
    ]
}
