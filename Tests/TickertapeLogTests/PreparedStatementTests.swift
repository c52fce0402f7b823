import GRDB
import Testing

@testable import TickertapeLog

struct PreparedStatementTests {
    @Test("A statement outlives the cache it was taken from")
    func emptiedCache() throws {
        let queue = try DatabaseQueue()
        try queue.inDatabase { database in
            let statement = try PreparedStatement(database, "SELECT 1 + ?")
            // GRDB clears its caches with this; other statements take the memory.
            database.clearSchemaCache()
            let others = try (0..<50).map { try PreparedStatement(database, "SELECT \($0)") }
            statement.bind(41, at: 1)
            #expect(try statement.step())
            #expect(statement.int64(0) == 42)
            #expect(try !statement.step())
            #expect(others.count == 50)
        }
        try queue.close()
    }
}
