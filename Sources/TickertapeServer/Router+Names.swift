import TickertapeCore
import TickertapeWire

/// The names and texts of a request, decoded and checked.
extension Router {
    func items(_ query: Substring) throws(Problem) -> QueryItems {
        do {
            return try QueryItems(query)
        } catch {
            throw self.problem(error, in: "the query")
        }
    }

    func decoded(_ path: Substring) throws(Problem) -> [UInt8] {
        do {
            return try percentDecodedBytes(path, plusIsSpace: false)
        } catch {
            throw self.problem(error, in: "the path")
        }
    }

    func problem(_ error: PercentCodingError, in place: String) -> Problem {
        switch error {
        case .badEscape:
            Problem(
                .badPercentEncoding,
                "in \(place) a '%' is not followed by two hexadecimal digits"
            )
        case .notUTF8: Problem(.invalidParameter, "\(place) is not UTF-8 once decoded")
        }
    }

    func text(_ bytes: ArraySlice<UInt8>, or code: Problem.Code) throws(Problem) -> String {
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw Problem(code, "a name is UTF-8 text, this one is not once decoded")
        }
        return text
    }

    func topic(_ bytes: ArraySlice<UInt8>) throws(Problem) -> TopicName {
        try self.topic(try self.text(bytes, or: .invalidTopic))
    }

    func topic(_ text: String) throws(Problem) -> TopicName {
        do {
            return try TopicName(text)
        } catch {
            throw Problem(.invalidTopic, error.sentence)
        }
    }

    func pattern(_ text: String) throws(Problem) -> TopicPattern {
        do {
            return try TopicPattern(text)
        } catch {
            throw Problem(.invalidPattern, error.sentence)
        }
    }
}
