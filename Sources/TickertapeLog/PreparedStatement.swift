import GRDB
import GRDBSQLite
import TickertapeCore

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// One prepared statement, bound and read column by column.
///
/// GRDB opens, configures and owns the connection; on the two paths that run once a message
/// (insert and page read) its row objects would cost more than SQLite itself.
/// Confined to the thread of its connection.
struct PreparedStatement {
    private let statement: OpaquePointer
    /// Finalizes the statement when it goes: GRDB may empty its own cache at any time.
    private let owner: Statement

    init(_ database: Database, _ sql: String) throws {
        self.init(try database.cachedStatement(sql: sql))
    }

    /// One that others with the same text do not share.
    init(_ database: Database, own sql: String) throws {
        self.init(try database.makeStatement(sql: sql))
    }

    private init(_ owner: Statement) {
        self.owner = owner
        self.statement = owner.sqliteStatement
    }

    /// Runs a statement that returns no row, and makes it ready to be bound again.
    func run() throws(SQLiteFailure) {
        let code = sqlite3_step(self.statement)
        let failure = code == SQLITE_DONE ? nil : SQLiteFailure(self.connection, code)
        sqlite3_reset(self.statement)
        if let failure { throw failure }
    }

    /// Goes to the next row.
    ///
    /// - Returns: `false` after the last one; the statement is ready to be bound again then.
    func step() throws(SQLiteFailure) -> Bool {
        let code = sqlite3_step(self.statement)
        if code == SQLITE_ROW { return true }
        let failure = code == SQLITE_DONE ? nil : SQLiteFailure(self.connection, code)
        sqlite3_reset(self.statement)
        if let failure { throw failure }
        return false
    }

    /// Leaves the remaining rows.
    func reset() {
        sqlite3_reset(self.statement)
    }

    /// Binds a number to parameter `index`, counted from 1.
    func bind(_ value: Int64, at index: Int32) {
        let code = sqlite3_bind_int64(self.statement, index, value)
        assert(code == SQLITE_OK, "parameter \(index) does not exist")
    }

    /// Binds a number, or NULL.
    func bind(_ value: Int64?, at index: Int32) {
        guard let value else {
            sqlite3_bind_null(self.statement, index)
            return
        }
        self.bind(value, at: index)
    }

    /// Binds a number that need not be whole, or NULL.
    func bind(_ value: Double?, at index: Int32) {
        guard let value else {
            sqlite3_bind_null(self.statement, index)
            return
        }
        let code = sqlite3_bind_double(self.statement, index, value)
        assert(code == SQLITE_OK, "parameter \(index) does not exist")
    }

    /// Binds a text, or NULL; SQLite copies it.
    func bind(_ text: String?, at index: Int32) {
        guard var text else {
            sqlite3_bind_null(self.statement, index)
            return
        }
        let code = text.withUTF8 { bytes in
            bytes.withMemoryRebound(to: CChar.self) { characters in
                sqlite3_bind_text(
                    self.statement,
                    index,
                    characters.baseAddress ?? emptyText,
                    Int32(characters.count),
                    copyBytes
                )
            }
        }
        assert(code == SQLITE_OK, "parameter \(index) does not exist")
    }

    /// Runs the statement with the UTF-8 bytes of a text bound as a blob, without a copy.
    func run(bytesOf text: String, at index: Int32) throws(SQLiteFailure) {
        var text = text
        let failure = text.withUTF8 { bytes -> SQLiteFailure? in
            // A null pointer would bind NULL where an empty blob is meant.
            let start = UnsafeRawPointer(bytes.baseAddress) ?? emptyBytes
            let code = sqlite3_bind_blob(
                self.statement,
                index,
                start,
                Int32(bytes.count),
                bytesStayInPlace
            )
            assert(code == SQLITE_OK, "parameter \(index) does not exist")
            defer { sqlite3_bind_null(self.statement, index) }
            do throws(SQLiteFailure) {
                try self.run()
                return nil
            } catch {
                return error
            }
        }
        if let failure { throw failure }
    }

    func bind(bytes: [UInt8], at index: Int32) {
        let code = bytes.withUnsafeBufferPointer {
            sqlite3_bind_blob(
                self.statement,
                index,
                UnsafeRawPointer($0.baseAddress) ?? emptyBytes,
                Int32($0.count),
                copyBytes
            )
        }
        assert(code == SQLITE_OK, "parameter \(index) does not exist")
    }

    /// Column `index` of the row, counted from 0.
    func int64(_ index: Int32) -> Int64 {
        sqlite3_column_int64(self.statement, index)
    }

    func int64OrNil(_ index: Int32) -> Int64? {
        sqlite3_column_type(self.statement, index) == SQLITE_NULL ? nil : self.int64(index)
    }

    func doubleOrNil(_ index: Int32) -> Double? {
        guard sqlite3_column_type(self.statement, index) != SQLITE_NULL else { return nil }
        return sqlite3_column_double(self.statement, index)
    }

    /// A text or blob column as a string, whatever its bytes.
    func text(_ index: Int32) -> String {
        guard let bytes = sqlite3_column_blob(self.statement, index) else { return "" }
        let count = Int(sqlite3_column_bytes(self.statement, index))
        return String(decoding: UnsafeRawBufferPointer(start: bytes, count: count), as: UTF8.self)
    }

    func textOrNil(_ index: Int32) -> String? {
        sqlite3_column_type(self.statement, index) == SQLITE_NULL ? nil : self.text(index)
    }

    func bytes(_ index: Int32) -> [UInt8] {
        guard let bytes = sqlite3_column_blob(self.statement, index) else { return [] }
        let count = Int(sqlite3_column_bytes(self.statement, index))
        return [UInt8](UnsafeRawBufferPointer(start: bytes, count: count))
    }

    private var connection: OpaquePointer? { sqlite3_db_handle(self.statement) }
}

private nonisolated(unsafe) let copyBytes = unsafeBitCast(
    OpaquePointer(bitPattern: -1),
    to: sqlite3_destructor_type.self
)
private let bytesStayInPlace: sqlite3_destructor_type? = nil
// Safety: never written to; their addresses stand for "no bytes".
private nonisolated(unsafe) let emptyBytes = UnsafeRawPointer(
    UnsafeMutableRawPointer.allocate(byteCount: 1, alignment: 1)
)
private nonisolated(unsafe) let emptyText = UnsafePointer(
    UnsafeMutablePointer<CChar>.allocate(capacity: 1)
)

/// What SQLite reported.
struct SQLiteFailure: Error {
    let code: Int32
    let systemError: Int32
    let message: String

    init(_ connection: OpaquePointer?, _ code: Int32) {
        self.code = code
        self.systemError = sqlite3_system_errno(connection)
        self.message = sqlite3_errmsg(connection).map { String(cString: $0) } ?? "code \(code)"
    }

    /// The same in the words of the log.
    var logError: LogError {
        let isFull =
            self.code & 0xFF == SQLITE_FULL || self.systemError == ENOSPC
            || self.systemError == EDQUOT
        return isFull ? .diskFull : .unavailable(self.message)
    }
}
