import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import NIOHTTP1
import TickertapeLog
import TickertapeWire

/// Answers every request of one listener: lets it in or not, routes it, and puts whatever went wrong
/// into words.
///
/// In come requests of Hummingbird's connections; out go answers that always have the security
/// headers, and always are problems when they are refusals.
struct DoorResponder: HTTPResponder {
    typealias Context = DoorContext

    let requestGuard: RequestGuard
    let table: RouteTable
    let router: RouterResponder<DoorContext>
    let logger: Logger

    init(_ door: RequestGuard.Door, _ table: RouteTable, logger: Logger) {
        let router = Router(context: DoorContext.self, options: .autoGenerateHeadEndpoints)
        for route in table.routes {
            router.on(RouterPath(route.path), method: route.method) { request, context in
                try await route.handler(
                    AdminRequest(
                        request: request,
                        parameters: context.parameters,
                        channel: context.channel
                    )
                )
            }
        }
        self.requestGuard = RequestGuard(door: door)
        self.table = table
        self.router = router.buildResponder()
        self.logger = logger
    }

    func respond(to request: Request, context: DoorContext) async throws -> Response {
        var response: Response
        do {
            try self.requestGuard.check(request.head)
            try self.table.check(request.method, request.uri.path)
            response = try await self.router.respond(to: request, context: context)
        } catch let error as AdminProblem {
            response = error.response
        } catch let error as Problem {
            response = AdminProblem(error).response
        } catch let error as LogError {
            response = AdminProblem(error).response
        } catch is CancellationError {
            response = AdminProblem(.closed).response
        } catch let error as HTTPParserError {
            // The connection is closed behind the answer.
            response = AdminProblem(.badRequest, "the body is no valid HTTP/1.1: \(error)").response
        } catch let error as HTTPError {
            response = AdminProblem(.badRequest, error.body ?? "the request is malformed").response
        } catch {
            self.logger.error(
                "an admin request failed",
                metadata: [
                    "tickertape.path": "\(request.uri.path)", "tickertape.error": "\(error)",
                ]
            )
            response = AdminProblem(.internalError, "see the log of the broker").response
        }
        response.headers.addSecurity()
        if request.method == .head { response = response.createHeadResponse() }
        return response
    }
}

/// What Hummingbird knows of a request, and the connection it came by.
struct DoorContext: RequestContext {
    var coreContext: CoreRequestContextStorage
    let channel: any Channel

    init(source: ApplicationRequestContextSource) {
        self.coreContext = .init(source: source)
        self.channel = source.channel
    }
}

extension HTTPFields {
    /// Nothing of the door is kept by caches, guessed at, framed by other pages or told to them.
    mutating func addSecurity() {
        self[.cacheControl] = "no-store"
        self[.xContentTypeOptions] = "nosniff"
        self[.referrerPolicy] = "no-referrer"
        if self[.contentSecurityPolicy] == nil {
            self[.contentSecurityPolicy] = "default-src 'none'; frame-ancestors 'none'"
        }
    }
}

extension HTTPField.Name {
    static var referrerPolicy: Self {
        guard let name = Self("Referrer-Policy") else {
            preconditionFailure("this is the name of a field")
        }
        return name
    }
}
