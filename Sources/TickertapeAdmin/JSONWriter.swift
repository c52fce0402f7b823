import NIOCore
import TickertapeWire

/// Writes JSON field by field into one buffer.
///
/// Listings have thousands of rows; Foundation's encoder takes ten times as long for them.
struct JSONWriter {
    private(set) var buffer: ByteBuffer
    /// Whether the next field or element needs a comma before it.
    private var needsComma = false

    init(capacity: Int = 256) {
        self.buffer = ByteBufferAllocator().buffer(capacity: capacity)
    }

    private mutating func separate() {
        if self.needsComma { self.buffer.writeStaticString(",") }
        self.needsComma = true
    }

    private mutating func name(_ name: StaticString) {
        self.separate()
        self.buffer.writeStaticString("\"")
        self.buffer.writeStaticString(name)
        self.buffer.writeStaticString("\":")
    }

    private mutating func enclosed(
        _ open: StaticString,
        _ close: StaticString,
        _ content: (inout JSONWriter) -> Void
    ) {
        self.buffer.writeStaticString(open)
        self.needsComma = false
        content(&self)
        self.buffer.writeStaticString(close)
        self.needsComma = true
    }

    /// An object as the whole text or as an element.
    mutating func object(_ content: (inout JSONWriter) -> Void) {
        self.separate()
        self.enclosed("{", "}", content)
    }

    mutating func object(_ name: StaticString, _ content: (inout JSONWriter) -> Void) {
        self.name(name)
        self.enclosed("{", "}", content)
    }

    mutating func array(_ name: StaticString, _ content: (inout JSONWriter) -> Void) {
        self.name(name)
        self.enclosed("[", "]", content)
    }

    mutating func array<Elements: Sequence>(
        _ name: StaticString,
        of elements: Elements,
        _ write: (inout JSONWriter, Elements.Element) -> Void
    ) {
        self.array(name) { writer in
            for element in elements { write(&writer, element) }
        }
    }

    mutating func field(_ name: StaticString, _ value: String?) {
        self.name(name)
        guard let value else { return self.null() }
        self.buffer.writeJSON(string: value)
    }

    mutating func field(_ name: StaticString, _ value: Int64?) {
        self.name(name)
        guard let value else { return self.null() }
        self.buffer.writeDecimal(value)
    }

    mutating func field(_ name: StaticString, _ value: Int) {
        self.field(name, Int64(value))
    }

    mutating func field(_ name: StaticString, _ value: Bool) {
        self.name(name)
        self.buffer.writeStaticString(value ? "true" : "false")
    }

    mutating func field(_ name: StaticString, _ value: Double?) {
        self.name(name)
        guard let value else { return self.null() }
        self.write(value)
    }

    /// Elements that were written before, with the commas between them.
    mutating func elements(written json: ByteBuffer) {
        self.buffer.writeImmutableBuffer(json)
    }

    /// A moment in RFC 3339.
    mutating func time(_ name: StaticString, milliseconds: Int64?) {
        self.field(name, milliseconds.map { rfc3339(milliseconds: $0) })
    }

    mutating func element(_ value: String) {
        self.separate()
        self.buffer.writeJSON(string: value)
    }

    mutating func element(_ value: Double) {
        self.separate()
        self.write(value)
    }

    private mutating func null() {
        self.buffer.writeStaticString("null")
    }

    /// Six decimals are enough for seconds and rates alike; JSON has neither infinity nor NaN.
    private mutating func write(_ value: Double) {
        guard value.isFinite else { return self.null() }
        let rounded = (value * 1_000_000).rounded() / 1_000_000
        if rounded == rounded.rounded(), let whole = Int64(exactly: rounded) {
            self.buffer.writeDecimal(whole)
        } else {
            self.buffer.writeString("\(rounded)")
        }
    }
}
