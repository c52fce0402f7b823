import HTTPTypes
import Hummingbird
import TickertapeWire

/// The routes of the door, in one place: what the router is built from, what 404 and 405 are
/// answered by, and what the OpenAPI document is held against.
struct RouteTable: Sendable {
    typealias Handler = @Sendable (AdminRequest) async throws -> Response

    struct Route: Sendable {
        let method: HTTPRequest.Method
        /// As in the OpenAPI document: `/v1/topics/{topic}`.
        let path: String
        let handler: Handler
    }

    private(set) var routes: [Route] = []

    mutating func add(
        _ method: HTTPRequest.Method,
        _ path: String,
        _ handler: @escaping Handler
    ) {
        self.routes.append(Route(method: method, path: path, handler: handler))
    }

    /// Says why no route takes a request, if none does.
    ///
    /// - Throws: `not_found`, or `method_not_allowed` with what is.
    func check(_ method: HTTPRequest.Method, _ path: String) throws(AdminProblem) {
        let segments = path.utf8.split(separator: UInt8(ascii: "/"))
        let methods = self.routes.filter { route in
            let wanted = route.path.utf8.split(separator: UInt8(ascii: "/"))
            return wanted.count == segments.count
                && zip(wanted, segments).allSatisfy { wanted, segment in
                    wanted.first == UInt8(ascii: "{") || wanted.elementsEqual(segment)
                }
        }.map(\.method)
        guard !methods.isEmpty else {
            throw AdminProblem(.notFound, "see /openapi.json for what is served here")
        }
        if methods.contains(method) || (method == .head && methods.contains(.get)) { return }
        let allowed = methods.flatMap { $0 == .get ? ["GET", "HEAD"] : [$0.rawValue] }
        var problem = AdminProblem(
            .methodNotAllowed,
            "this path takes \(allowed.joined(separator: ", "))"
        )
        problem.allow = allowed.joined(separator: ", ")
        throw problem
    }
}
