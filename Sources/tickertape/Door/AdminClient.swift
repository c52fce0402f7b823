import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1
import TickertapeWire

/// One broker's admin door, over its Unix socket or over TCP.
///
/// Any thread. Every failure comes out as a `CommandFailure` with a sentence.
final class AdminClient: Sendable {
    /// Time for an answer; a deletion has as long as it takes.
    static let answerSecondsMax: Int64 = 30
    static let answerBytesMax = 256 * 1_048_576

    struct Answer: Sendable {
        let status: Int
        let body: Data
    }

    let address: DoorAddress
    private let http: HTTPClient

    /// A client that takes an open answer for broken when it is quiet for so long.
    init(_ address: DoorAddress, silenceSecondsMax: Int64? = nil) {
        self.address = address
        var configuration = HTTPClient.Configuration()
        configuration.timeout.connect = .seconds(5)
        configuration.timeout.read = silenceSecondsMax.map { .seconds($0) }
        // What cannot be reached is said at once; who wants to wait tries again.
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.redirectConfiguration = .disallow
        self.http = HTTPClient(
            eventLoopGroupProvider: .singleton,
            configuration: configuration
        )
    }

    func shutdown() async { try? await self.http.shutdown() }

    /// The answer to a request, if it is a success.
    ///
    /// - Throws: `CommandFailure`.
    func send(_ request: DoorRequest) async throws -> Answer {
        let answer = try await self.exchange(request)
        guard (200...299).contains(answer.status) else {
            throw DoorProblem.failure(
                status: answer.status,
                body: answer.body,
                self.address,
                request: request.line
            )
        }
        return answer
    }

    func get<Value: Decodable>(_ request: DoorRequest, as type: Value.Type) async throws -> Value {
        try self.decode(type, from: try await self.send(request).body, request)
    }

    /// - Throws: `CommandFailure` when the answer is not what this tool expects.
    func decode<Value: Decodable>(
        _ type: Value.Type,
        from body: Data,
        _ request: DoorRequest
    ) throws -> Value {
        do {
            return try DoorJSON.decoder.decode(type, from: body)
        } catch {
            throw CommandFailure(
                "\(DoorSentence.name(of: self.address)) answers \(printable(request.line)) in a way "
                    + "that this tool does not know; the two have different versions"
            )
        }
    }

    /// The answer whatever its status, read to its end.
    ///
    /// - Throws: `CommandFailure` when there is none.
    func exchange(_ request: DoorRequest) async throws -> Answer {
        do {
            return try await self.open(request).collect()
        } catch {
            throw DoorSentence.describe(error, self.address)
        }
    }

    /// The head of the answer, with a body to be read as it comes.
    ///
    /// - Throws: What went wrong, as it is.
    func open(_ request: DoorRequest) async throws -> DoorResponse {
        let deadline: NIODeadline =
            request.mayTakeLong ? .distantFuture : .now() + .seconds(Self.answerSecondsMax)
        let response = try await self.http.execute(
            try self.made(from: request),
            deadline: deadline
        )
        return DoorResponse(status: Int(response.status.code), body: response.body)
    }

    private func made(from request: DoorRequest) throws -> HTTPClientRequest {
        var made: HTTPClientRequest
        switch self.address {
        case .dataDirectory(let directory):
            let path = try SocketPath.find(in: directory)
            let host = percentEncodedSegment(path)
            made = HTTPClientRequest(url: "http+unix://\(host)\(request.target)")
            // The door takes these names alone, against pages that rebind theirs.
            made.headers.add(name: "host", value: "localhost")
        case .remote(let url, let token):
            made = HTTPClientRequest(url: url + request.target)
            if let token { made.headers.add(name: "authorization", value: "Bearer \(token)") }
        }
        made.method = HTTPMethod(rawValue: request.method.rawValue)
        for (name, value) in request.headers { made.headers.add(name: name, value: value) }
        if let body = request.body { made.body = .bytes(ByteBuffer(bytes: body)) }
        return made
    }
}

/// The head of an answer, and a body that comes.
struct DoorResponse: Sendable {
    let status: Int
    let body: HTTPClientResponse.Body

    func collect() async throws -> AdminClient.Answer {
        let bytes = try await self.body.collect(upTo: AdminClient.answerBytesMax)
        return AdminClient.Answer(status: self.status, body: Data(bytes.readableBytesView))
    }
}

/// A name as one segment of a path: `a/b` is `a%2Fb`.
func percentEncodedSegment(_ text: String) -> String {
    percentEncodedPath(text).replacing("/", with: "%2F")
}
