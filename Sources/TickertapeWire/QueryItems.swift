/// The parameters of a query, decoded as `application/x-www-form-urlencoded`.
package struct QueryItems: Sendable {
    package let items: [(name: String, value: String)]

    /// - Throws: When an escape is malformed or the bytes are not UTF-8.
    package init(_ query: some StringProtocol) throws(PercentCodingError) {
        var items: [(name: String, value: String)] = []
        for part in query.split(separator: "&", omittingEmptySubsequences: true) {
            let pair = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let name = try percentDecoded(pair[0], plusIsSpace: true)
            let value = pair.count == 2 ? try percentDecoded(pair[1], plusIsSpace: true) : ""
            items.append((name, value))
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
