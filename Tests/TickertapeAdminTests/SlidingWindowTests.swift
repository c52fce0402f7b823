import Testing

@testable import TickertapeAdmin

struct SlidingWindowTests {
    /// A window of `count` points a second apart, whose counter grows by `step` each.
    private func window(_ count: Int, step: Int64) -> SlidingWindow {
        var window = SlidingWindow()
        for index in 0..<count {
            var point = CounterPoint()
            point.seconds = Double(index)
            point.messagesIn = Int64(index) * step
            window.add(point)
        }
        return window
    }

    @Test("Without a second point nothing has a rate")
    func empty() {
        #expect(SlidingWindow().rates(\.messagesIn) == Rates())
        #expect(self.window(1, step: 5).rates(\.messagesIn) == Rates())
    }

    @Test("A steady counter has the same rate over every span, also before the span is over")
    func steady() {
        for count in [2, 5, 61, 100] {
            let rates = self.window(count, step: 7).rates(\.messagesIn)
            #expect(rates == Rates(over1: 7, over10: 7, over60: 7), "\(count) points")
        }
    }

    @Test("What was long ago counts over the long span alone")
    func spans() {
        var window = self.window(31, step: 100)
        for index in 31..<61 {
            var point = CounterPoint()
            point.seconds = Double(index)
            point.messagesIn = 3_000
            window.add(point)
        }
        let rates = window.rates(\.messagesIn)
        #expect(rates.over1 == 0)
        #expect(rates.over10 == 0)
        #expect(rates.over60 == 50)
    }

    @Test("A rate is by the time that has passed, not by the ticks")
    func late() {
        var window = self.window(1, step: 0)
        var point = CounterPoint()
        point.seconds = 4
        point.messagesIn = 100
        window.add(point)
        #expect(window.rates(\.messagesIn).over1 == 25)
    }

    @Test("The last minute has 60 values, those before the start 0")
    func recent() {
        #expect(self.window(3, step: 9).recent(\.messagesIn).count == 60)
        #expect(self.window(3, step: 9).recent(\.messagesIn).suffix(3) == [0, 9, 9])
        #expect(self.window(200, step: 9).recent(\.messagesIn) == Array(repeating: 9, count: 60))
        #expect(self.window(200, step: 9).points.count == SlidingWindow.pointsMax)
    }

    @Test("Commits are averaged over the last 10 s")
    func commits() {
        var window = SlidingWindow()
        for index in 0...20 {
            var point = CounterPoint()
            point.seconds = Double(index)
            point.commits = Int64(index) * 2
            point.messagesIn = Int64(index) * 20
            point.commitSeconds = Double(index) * 0.01
            point.commitSecondsMax = index == 5 ? 9 : index == 15 ? 0.5 : 0.1
            window.add(point)
        }
        #expect(window.commits.messagesMean == 10)
        #expect(abs(window.commits.secondsMean - 0.005) < 1e-9)
        #expect(window.commits.secondsMax == 0.5, "the longest of the last 10 s, not of all")
        #expect(SlidingWindow().commits == .init())
    }
}
