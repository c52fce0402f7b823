import Foundation
import TickertapeCore
import TickertapeLog
import TickertapeWire

/// What a listing of topics is sorted by.
enum TopicOrder: String, CaseIterable, Sendable {
    case name
    case messages
    case bytes
    case lastID = "last_id"
    case rate
    case subscribers
}

/// Which topics are listed.
enum TopicChoice: String, CaseIterable, Sendable {
    case open
    case ended
    case all

    func takes(_ table: TopicTable, _ row: Int) -> Bool {
        switch self {
        case .open: !table.hasEnded(row)
        case .ended: table.hasEnded(row)
        case .all: true
        }
    }
}

enum SortDirection: String, CaseIterable, Sendable {
    case ascending = "asc"
    case descending = "desc"
}

/// One page of the topics that exist, chosen from the columns alone.
///
/// Pure. Only the rows of the page are kept while all are looked at, so 100,000 topics cost neither
/// a sort nor a copy of their names. A page goes on behind the value and the name of the last row:
/// topics that come and go in between move nobody else.
struct TopicListing: Sendable {
    let order: TopicOrder
    let direction: SortDirection
    let pattern: TopicPattern?
    let choice: TopicChoice
    let limit: Int
    let cursor: ListCursor?

    struct Page: Equatable {
        /// Of the table, in order.
        var rows: [Int] = []
        /// The value that each was sorted by.
        var values: [Double] = []
        /// All that match, on whatever page.
        var total = 0
        var hasMore = false
    }

    /// - Parameters:
    ///   - table: The topics.
    ///   - value: What the row is sorted by; equal values are sorted by name.
    /// - Returns: The rows behind the cursor, at most as many as the limit.
    func page(of table: TopicTable, value: (Int) -> Double) -> Page {
        var page = Page()
        for row in table.names.indices where !table.isDeleted(row) {
            let name = table.names[row]
            if let pattern = self.pattern, !pattern.matches(name) { continue }
            guard self.choice.takes(table, row) else { continue }
            page.total += 1
            let value = self.order == .name ? 0 : value(row)
            if let cursor = self.cursor,
                !self.precedes(cursor.value, cursor.name, value, name.text)
            {
                continue
            }
            if page.rows.count == self.limit, let last = page.rows.last,
                !self.precedes(
                    value,
                    name.text,
                    page.values[self.limit - 1],
                    table.names[last].text
                )
            {
                page.hasMore = true
                continue
            }
            self.insert(row, value, into: &page, table)
        }
        return page
    }

    private func insert(_ row: Int, _ value: Double, into page: inout Page, _ table: TopicTable) {
        let name = table.names[row].text
        var (low, high) = (0, page.rows.count)
        while low < high {
            let middle = (low + high) / 2
            let other = page.rows[middle]
            if self.precedes(page.values[middle], table.names[other].text, value, name) {
                low = middle + 1
            } else {
                high = middle
            }
        }
        page.rows.insert(row, at: low)
        page.values.insert(value, at: low)
        if page.rows.count > self.limit {
            page.rows.removeLast()
            page.values.removeLast()
            page.hasMore = true
        }
    }

    /// Whether the first comes before the second; a total order, since names differ.
    private func precedes(
        _ left: Double,
        _ leftName: String,
        _ right: Double,
        _ rightName: String
    ) -> Bool {
        if left != right { return self.direction == .ascending ? left < right : left > right }
        let isBefore = bytesPrecede(leftName, rightName)
        // By name alone the direction is that of the names; else names only part equal values.
        guard self.order == .name, self.direction == .descending else { return isBefore }
        return !isBefore && !bytesAreEqual(leftName, rightName)
    }
}

/// Where the next page of a listing goes on: behind a value and a name.
struct ListCursor: Equatable, Sendable {
    /// What the listing is and how it is sorted: a cursor of another one is refused.
    let list: String
    let value: Double
    let name: String

    var text: String {
        let bits = String(self.value.bitPattern, radix: 16)
        let plain = Data("\(self.list) \(bits) \(self.name)".utf8).base64EncodedString()
        return String(
            plain.prefix { $0 != "=" }.map { $0 == "+" ? "-" : $0 == "/" ? "_" : $0 }
        )
    }

    init(list: String, value: Double, name: String) {
        self.list = list
        self.value = value
        self.name = name
    }

    /// - Throws: `invalid_parameter` when it does not come from this listing.
    init(_ text: String, list: String) throws {
        let plain = text.map { $0 == "-" ? "+" : $0 == "_" ? "/" : $0 }
        let padded = String(plain) + String(repeating: "=", count: (4 - plain.count % 4) % 4)
        let decoded = Data(base64Encoded: padded).flatMap { String(data: $0, encoding: .utf8) }
        let parts = (decoded ?? "").split(
            separator: " ",
            maxSplits: 2,
            omittingEmptySubsequences: false
        )
        guard parts.count == 3, parts[0] == list, let bits = UInt64(parts[1], radix: 16),
            Double(bitPattern: bits).isFinite
        else { throw Self.foreign }
        self.init(list: list, value: Double(bitPattern: bits), name: String(parts[2]))
    }

    static let foreign = AdminProblem(
        .invalidParameter,
        "'cursor' is the 'next' of a page with the same sort and order; leave it out to start"
    )
}

/// Whether one text comes before another by its UTF-8 bytes.
func bytesPrecede(_ left: String, _ right: String) -> Bool {
    let isBefore = left.utf8.withContiguousStorageIfAvailable { left in
        right.utf8.withContiguousStorageIfAvailable { right in
            guard let leftStart = left.baseAddress, let rightStart = right.baseAddress else {
                return left.count < right.count
            }
            let order = memcmp(leftStart, rightStart, min(left.count, right.count))
            return order == 0 ? left.count < right.count : order < 0
        }
    }
    return (isBefore ?? nil) ?? left.utf8.lexicographicallyPrecedes(right.utf8)
}
