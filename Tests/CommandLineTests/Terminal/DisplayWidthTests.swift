import Testing

@testable import tickertape

struct DisplayWidthTests {
    @Test(
        "A text has the width that terminals give it",
        arguments: [
            ("", 0), ("stocks/AAPL", 11), ("naïve", 5), ("nai\u{308}ve", 5), ("中文", 4),
            ("株式/東京", 9), ("한글", 4), ("ｆｕｌｌ", 8), ("🙂", 2), ("👩‍👩‍👧", 2), ("🇩🇪", 2),
            ("❤\u{FE0F}", 2), ("❤", 1), ("a\u{200B}b", 2), ("…", 1), ("▁█", 2),
        ]
    )
    func width(text: String, width: Int) {
        #expect(displayWidth(of: text) == width)
    }

    @Test(
        "A long name loses its middle",
        arguments: [
            ("stocks/AAPL", 11, "stocks/AAPL"), ("stocks/AAPL", 7, "sto…APL"),
            ("stocks/AAPL", 8, "sto…AAPL"), ("stocks/AAPL", 1, "…"), ("stocks/AAPL", 0, ""),
            ("東京証券取引所", 9, "東京…引所"), ("東京証券取引所", 8, "東…引所"),
        ]
    )
    func truncation(text: String, width: Int, shown: String) {
        #expect(truncated(text, to: width) == shown)
        #expect(displayWidth(of: truncated(text, to: width)) <= width)
    }

    @Test("A line is cut at its end")
    func clipping() {
        #expect(clipped("progress", to: 5) == "prog…")
        #expect(clipped("東京証券", to: 4) == "東…")
        #expect(clipped("short", to: 5) == "short")
    }

    @Test(
        "Nothing that drives a terminal is left",
        arguments: [
            ("plain text, 中文 🙂", "plain text, 中文 🙂"), ("a\nb\r\tc", "a\\nb\\r\\tc"),
            ("\u{1B}[31mred\u{1B}]0;title\u{7}", "\\u{1b}[31mred\\u{1b}]0;title\\u{7}"),
            ("\u{9B}2J", "\\u{9b}2J"), ("\u{202E}gpj.exe", "\\u{202e}gpj.exe"),
            ("\u{7F}\u{0}", "\\u{7f}\\u{0}"), ("\r\n", "\\r\\n"),
        ]
    )
    func escaping(text: String, shown: String) {
        #expect(printable(text) == shown)
    }
}

struct TerminalKeyTests {
    @Test(
        "Keys count, the sequences of others do not",
        arguments: [
            ("q", "q"), ("\u{1B}[A", ""), ("\u{1B}[Ap", "p"), ("m\u{1B}[1;5Cn", "mn"),
            ("\u{1B}OPr", "r"), ("\u{1B}", ""), ("\u{1B}[", ""), ("\u{1B}xq", "q"),
        ]
    )
    func keys(typed: String, counted: String) {
        #expect(String(TerminalScreen.keys(in: Array(typed.utf8))) == counted)
    }
}
