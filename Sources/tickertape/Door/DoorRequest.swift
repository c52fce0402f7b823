import Foundation

/// What is asked of the door.
struct DoorRequest: Sendable {
    enum Method: String {
        case get = "GET"
        case post = "POST"
        case put = "PUT"
        case delete = "DELETE"
    }

    let method: Method
    /// Path and query, encoded.
    let target: String
    var headers: [(String, String)] = []
    var body: [UInt8]?
    /// A deletion, or an answer that has no end.
    var mayTakeLong = false

    /// A request for the segments behind `/v1`, as they are: each is encoded as one.
    init(
        _ method: Method,
        _ path: [String],
        query: [(name: String, value: String?)] = []
    ) {
        self.method = method
        let segments = path.map(percentEncodedSegment).joined(separator: "/")
        let items = query.compactMap { item in
            item.value.map { "\(item.name)=\(percentEncodedSegment($0))" }
        }
        self.target = "/v1/\(segments)" + (items.isEmpty ? "" : "?\(items.joined(separator: "&"))")
    }

    /// For messages: method and path.
    var line: String { "\(self.method.rawValue) \(self.target.prefix { $0 != "?" })" }

    func json(_ value: some Encodable) throws -> DoorRequest {
        var request = self
        request.body = Array(try DoorJSON.encoder.encode(value))
        request.headers.append(("content-type", "application/json"))
        return request
    }

    func takingLong() -> DoorRequest {
        var request = self
        request.mayTakeLong = true
        return request
    }

    func payload(_ bytes: [UInt8]) -> DoorRequest {
        var request = self
        request.body = bytes
        request.headers.append(("content-type", "text/plain; charset=utf-8"))
        return request
    }

    func header(_ name: String, _ value: String?) -> DoorRequest {
        guard let value else { return self }
        var request = self
        request.headers.append((name, value))
        return request
    }
}
