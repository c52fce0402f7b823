import Foundation

/// Random numbers that can be had again: SplitMix64.
package struct SeededGenerator: RandomNumberGenerator, Sendable {
    private var state: UInt64

    package init(seed: UInt64) {
        self.state = seed
    }

    package mutating func next() -> UInt64 {
        self.state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = self.state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    /// A number of `range`.
    package mutating func int(_ range: ClosedRange<Int>) -> Int {
        Int.random(in: range, using: &self)
    }

    /// `true` once in `count` times.
    package mutating func oneIn(_ count: Int) -> Bool {
        Int.random(in: 0..<count, using: &self) == 0
    }

    /// One of `choices`, which must not be empty.
    package mutating func pick<Choices: Collection>(_ choices: Choices) -> Choices.Element {
        guard let picked = choices.randomElement(using: &self) else {
            preconditionFailure("there is nothing to choose from")
        }
        return picked
    }
}

/// Where the randomness of a test comes from: printed, and replayed by `TICKERTAPE_SEED`.
///
/// The order of dictionaries is random too: `SWIFT_DETERMINISTIC_HASHING=1` fixes it.
package struct Seed: Sendable, CustomStringConvertible {
    package let value: UInt64
    private let test: String

    /// - Parameters:
    ///   - test: Printed with the seed.
    ///   - file: Printed with the seed.
    package init(for test: String = #function, in file: String = #fileID) {
        let test = "\(file) \(test)"
        let given = ProcessInfo.processInfo.environment["TICKERTAPE_SEED"].flatMap(UInt64.init)
        self.init(given ?? UInt64.random(in: 0...UInt64.max), for: test)
        print("\(test): \(self)")
    }

    private init(_ value: UInt64, for test: String) {
        self.value = value
        self.test = test
    }

    package var generator: SeededGenerator { SeededGenerator(seed: self.value) }

    /// Seeds for `count` runs, or as many as `TICKERTAPE_RUNS` says; a given seed is run once.
    package static func several(
        _ count: Int,
        for test: String = #function,
        in file: String = #fileID
    ) -> [Seed] {
        let environment = ProcessInfo.processInfo.environment
        let asked = environment["TICKERTAPE_RUNS"].flatMap { Int($0) } ?? count
        let runs = environment["TICKERTAPE_SEED"] == nil ? asked : 1
        return (0..<runs).map { _ in Seed(for: test, in: file) }
    }

    package var description: String { "TICKERTAPE_SEED=\(self.value)" }
}
