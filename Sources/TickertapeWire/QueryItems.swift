/// The parameters of a query, decoded as `application/x-www-form-urlencoded`.
package struct QueryItems: Sendable {
    package let items: [(name: String, value: String)]

    /// - Throws: When an escape is malformed or the bytes are not UTF-8.
    package init(_ query: some StringProtocol) throws(PercentCodingError) {
        var items: [(name: String, value: String)] = []
        // Split as bytes: a combining mark behind a separator makes another Character of it.
        for part in Substring(query).utf8.split(separator: UInt8(ascii: "&")) {
            let pair = part.split(
                separator: UInt8(ascii: "="),
                maxSplits: 1,
                omittingEmptySubsequences: false
            )
            let name = try percentDecoded(String(Substring(pair[0])), plusIsSpace: true)
            let value = pair.count == 2 ? String(Substring(pair[1])) : ""
            items.append((name, try percentDecoded(value, plusIsSpace: true)))
        }
        self.items = items
    }

    /// Every value of `name`, in order.
    package func all(_ name: String) -> [String] {
        self.items.compactMap { $0.name == name ? $0.value : nil }
    }

    /// The value of a parameter that may stand once.
    ///
    /// - Throws: `repeated_parameter` when it stands more than once.
    package func single(_ name: String) throws(Problem) -> String? {
        let values = self.all(name)
        guard values.count <= 1 else {
            throw Problem(.repeatedParameter, "'\(name)' may be given once")
        }
        return values.first
    }
}
