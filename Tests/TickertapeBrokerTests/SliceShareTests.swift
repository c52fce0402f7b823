import Testing

@testable import TickertapeBroker

@Suite("How long a slice of deliveries may go on")
struct SliceShareTests {
    @Test("Half as long as everything else took, as long as there is more to deliver")
    func share() {
        var share = SliceShare(nanosecondsMax: 5_000)
        #expect(share.deadline(from: 100) == 100, "the first has its number of subscribers")
        share.ended(at: 200, hasMore: true)
        #expect(share.deadline(from: 1_200) == 1_700)
        #expect(share.deadline(from: 50_000) == 55_000, "publishers wait no longer than that")
        // A loop that had nothing to deliver in between was not kept from it.
        share.ended(at: 60_000, hasMore: false)
        #expect(share.deadline(from: 70_000) == 70_000)
    }

    @Test("A clock that stands still or goes back gives nothing", arguments: [UInt64(0), 1_000])
    func clock(now: UInt64) {
        var share = SliceShare(nanosecondsMax: 5_000)
        share.ended(at: 1_000, hasMore: true)
        #expect(share.deadline(from: now) == now)
    }
}
