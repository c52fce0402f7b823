/// SplitMix64 (Steele, Lea, Flood 2014): tiny, and the same numbers on every platform.
struct SplitMix64: RandomNumberGenerator {
    private var state: UInt64

    init(state: UInt64) { self.state = state }

    mutating func next() -> UInt64 {
        self.state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = self.state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    /// A number from 0 up to `bound`, without it.
    mutating func index(below bound: Int) -> Int {
        Int(self.next().multipliedFullWidth(by: UInt64(bound)).high)
    }

    /// A number from 0 up to 1, without it.
    mutating func fraction() -> Double {
        Double(self.next() >> 11) * 0x1p-53
    }

    /// A number around 0 with deviation 1: the sum of twelve even ones is bell shaped enough.
    mutating func bell() -> Double {
        (0..<12).reduce(-6.0) { sum, _ in sum + self.fraction() }
    }
}
