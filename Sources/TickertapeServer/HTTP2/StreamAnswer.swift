import NIOCore
import NIOHPACK
import TickertapeCore
import TickertapeWire

/// A complete answer on an HTTP/2 stream: what HTTP/1 has as bytes, without what is about the
/// connection (RFC 9113 §8.2.2).
struct StreamAnswer {
    let head: HPACKHeaders
    let body: ByteBuffer
}

extension Response {
    func streamContent(
        _ status: StaticString,
        type: StaticString,
        _ body: ByteBuffer,
        isHead: Bool,
        fields: ResponseFields,
        caching: StaticString = "no-store"
    ) -> StreamAnswer {
        var head = self.streamHead(status)
        head.add(name: "content-type", value: "\(type)")
        head.add(name: "cache-control", value: "\(caching)")
        Self.add(fields, to: &head)
        head.add(name: "content-length", value: "\(body.readableBytes)", indexing: .nonIndexable)
        return StreamAnswer(head: head, body: isHead ? ByteBuffer() : body)
    }

    func streamNoContent(
        status: StaticString = "204 No Content",
        fields: ResponseFields,
        caching: StaticString = "no-store"
    ) -> StreamAnswer {
        var head = self.streamHead(status)
        head.add(name: "cache-control", value: "\(caching)")
        Self.add(fields, to: &head)
        return StreamAnswer(head: head, body: ByteBuffer())
    }

    func streamProblem(
        _ problem: Problem,
        isHead: Bool,
        fields: ResponseFields
    ) -> StreamAnswer {
        let (body, more) = Self.content(of: problem)
        return self.streamContent(
            problem.code.statusLine,
            type: "application/problem+json",
            body,
            isHead: isHead,
            fields: fields + more
        )
    }

    /// The answer to a publish.
    func streamPublished(
        _ status: StaticString,
        id: Int64,
        topic: TopicName,
        fields: ResponseFields
    ) -> StreamAnswer {
        var body = ByteBufferAllocator().buffer(capacity: 64)
        body.writeJSON(publishedID: id, topic: topic)
        var head = self.streamHead(status)
        head.add(name: "content-type", value: "application/json")
        Self.add(fields, to: &head)
        head.add(
            name: "location",
            value: "/topics/\(percentEncodedPath(topic.text))/messages/\(id)",
            indexing: .nonIndexable
        )
        head.add(name: "content-length", value: "\(body.readableBytes)", indexing: .nonIndexable)
        return StreamAnswer(head: head, body: body)
    }

    /// The head of an answer whose body follows piece by piece.
    func streamedHead(_ type: StreamedType, fields: ResponseFields) -> HPACKHeaders {
        var head = self.streamHead("200 OK")
        head.add(name: "content-type", value: type.rawValue)
        head.add(name: "cache-control", value: "no-store, no-transform")
        head.add(name: "x-accel-buffering", value: "no")
        Self.add(fields, to: &head)
        return head
    }

    func streamHead(_ status: StaticString) -> HPACKHeaders {
        var head = HPACKHeaders()
        head.reserveCapacity(8)
        // The reason phrase does not exist here.
        head.add(name: ":status", value: String("\(status)".prefix(3)))
        head.add(name: "date", value: self.date)
        return head
    }

    static func add(_ fields: ResponseFields, to head: inout HPACKHeaders) {
        for (name, value) in fields { head.add(name: "\(name)".lowercased(), value: value) }
    }
}
