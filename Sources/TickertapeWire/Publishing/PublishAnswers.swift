package import NIOCore
package import TickertapeCore

/// What publishers are answered, line by line or as one object.
extension ByteBuffer {
    /// A line of the answer to a streaming publish: `{"line":1,"id":1043}`.
    ///
    /// - Parameters:
    ///   - line: The number of the message in the request, from 1.
    ///   - id: Its id.
    ///   - topic: Where it stands in the line; nothing when all go to one.
    ///   - isRepeated: It was stored before.
    ///   - endsTopic: The topic has ended with it; told only beside its name.
    package mutating func writeAnswerLine(
        _ line: Int,
        id: Int64,
        topic: TopicName?,
        isRepeated: Bool,
        endsTopic: Bool
    ) {
        self.writeStaticString("{\"line\":")
        self.writeDecimal(Int64(line))
        self.writeStaticString(",\"id\":")
        self.writeDecimal(id)
        if let topic {
            self.writeStaticString(",\"topic\":")
            self.writeJSON(string: topic.text)
            if endsTopic { self.writeStaticString(",\"ended\":true") }
        }
        if isRepeated { self.writeStaticString(",\"repeated\":true") }
        self.writeStaticString("}\n")
    }

    /// The last line when the topic has ended: `{"ended":{"topic":…,"reason":…,"last_id":…}}`.
    package mutating func writeAnswerEnd(_ end: TopicEnd) {
        self.writeStaticString("{\"ended\":")
        self.writePublisherEnd(end)
        self.writeStaticString("}\n")
    }

    /// The last line when a message was refused: `{"error":{…}}`.
    package mutating func writeAnswerError(_ problem: Problem) {
        self.writeStaticString("{\"error\":")
        problem.write(into: &self)
        self.writeStaticString("}\n")
    }

    /// `{"topic":"answers/7","reason":"stopped","last_id":1043}`.
    package mutating func writePublisherEnd(_ end: TopicEnd) {
        self.writeStaticString("{\"topic\":")
        self.writeJSON(string: end.topic.text)
        self.writeStaticString(",\"reason\":")
        self.writeJSON(string: end.reason.rawValue)
        self.writeStaticString(",\"last_id\":")
        self.writeDecimal(end.lastID)
        self.writeStaticString("}")
    }

    /// The answer to a publish that ends its topic: `{"id":1043,"topic":"a","ended":true}`.
    package mutating func writeJSON(lastID id: Int64, topic: TopicName) {
        self.writeStaticString("{")
        self.writeJSONFields(publishedID: id, topic: topic)
        self.writeStaticString(",\"ended\":true}")
    }

    /// The answer to a batch: `{"messages":[{"id":1,"topic":"a"},…]}`.
    package mutating func writeJSON(published messages: [(id: Int64, topic: TopicName)]) {
        self.writeStaticString("{\"messages\":[")
        for (index, message) in messages.enumerated() {
            if index > 0 { self.writeStaticString(",") }
            self.writeJSON(publishedID: message.id, topic: message.topic)
        }
        self.writeStaticString("]}")
    }
}
