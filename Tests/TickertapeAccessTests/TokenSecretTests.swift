import Testing
import TickertapeAccess

@Suite struct TokenSecretTests {
    @Test func `a token that was made is taken back, and one mistyped digit is not`() throws {
        let made = TokenSecret()
        #expect(made.text.utf8.count == 53)
        #expect(made.text.hasPrefix("ttk_"))
        #expect(try #require(TokenSecret(made.text)).hash == made.hash)
        let digits = Array(made.text)
        for index in digits.indices.dropFirst(4) {
            var mistyped = digits
            mistyped[index] = digits[index] == "0" ? "1" : "0"
            #expect(TokenSecret(String(mistyped)) == nil)
        }
        #expect(TokenSecret(String(digits.dropLast())) == nil)
        #expect(TokenSecret("") == nil)
    }

    @Test func `no two are the same`() {
        let made = (0..<1_000).map { _ in TokenSecret().text }
        #expect(Set(made).count == made.count)
    }
}
