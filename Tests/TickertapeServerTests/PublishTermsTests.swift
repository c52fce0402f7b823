import Testing
import TickertapeCore
import TickertapeWire

@testable import TickertapeServer

struct PublishTermsTests {
    private func condition(match: String? = nil, noneMatch: String? = nil) -> String {
        do throws(Problem) {
            let condition = try PublishCondition(ifMatch: match, ifNoneMatch: noneMatch)
            return condition.map { "\($0)" } ?? "none"
        } catch {
            return described(error)
        }
    }

    @Test(
        "If-Match compares strongly with the last id",
        arguments: [
            ("*", "hasMessage"), (" * ", "hasMessage"), (#""1043""#, "lastIDIsOneOf([1043])"),
            (#""1", "2","3""#, "lastIDIsOneOf([1, 2, 3])"),
            (#", "1" ,, "2","#, "lastIDIsOneOf([1, 2])"),
            (#""0""#, "lastIDIsOneOf([0])"), (#"W/"1""#, "lastIDIsOneOf([])"),
            (#""01", "+1", "1 ""#, "400 invalid_parameter"), (#""01", "x""#, "lastIDIsOneOf([])"),
            (#""""#, "lastIDIsOneOf([])"), (#""99999999999999999999""#, "lastIDIsOneOf([])"),
            ("", "400 invalid_parameter"), (",", "400 invalid_parameter"),
            ("1043", "400 invalid_parameter"), (#""1" "2""#, "400 invalid_parameter"),
            (#""1"#, "400 invalid_parameter"), (#"*, "1""#, "400 invalid_parameter"),
            (#"w/"1""#, "400 invalid_parameter"),
        ]
    )
    func ifMatch(field: String, expected: String) {
        #expect(self.condition(match: field) == expected)
    }

    @Test(
        "If-None-Match compares weakly",
        arguments: [
            ("*", "hasNoMessage"), (#"W/"1", "2""#, "lastIDIsNoneOf([1, 2])"),
            (#""x""#, "lastIDIsNoneOf([])"), ("x", "400 invalid_parameter"),
        ]
    )
    func ifNoneMatch(field: String, expected: String) {
        #expect(self.condition(noneMatch: field) == expected)
    }

    @Test("Both are too many, none is none")
    func both() {
        #expect(self.condition(match: "*", noneMatch: "*") == "400 invalid_parameter")
        #expect(self.condition() == "none")
    }
}
