import Foundation
import HTTPTypes
import Hummingbird
import Testing
import TickertapeTestSupport
import TickertapeWire

@testable import TickertapeAdmin

struct RouteTableTests {
    private let table: RouteTable = {
        var table = RouteTable()
        table.add(.get, "/") { _ in .noContent }
        table.add(.get, "/v1/a") { _ in .noContent }
        table.add(.post, "/v1/a") { _ in .noContent }
        table.add(.delete, "/v1/a/{name}") { _ in .noContent }
        return table
    }()

    private func problem(_ method: HTTPRequest.Method, _ path: String) -> AdminProblem? {
        do {
            try self.table.check(method, path)
            return nil
        } catch {
            return error
        }
    }

    @Test("What a route takes passes, HEAD where GET does")
    func taken() {
        for (method, path) in [
            (HTTPRequest.Method.get, "/"), (.head, "/"), (.get, "/v1/a"), (.head, "/v1/a"),
            (.post, "/v1/a"), (.delete, "/v1/a/x%2Fy"),
        ] {
            #expect(self.problem(method, path) == nil, "\(method) \(path)")
        }
    }

    @Test("A path that no route has is not found, whatever the method")
    func notFound() {
        for path in ["/v1", "/v1/b", "/v1/a/x/y", "/V1/a", "/{name}"] {
            #expect(self.problem(.get, path)?.status == 404, "\(path)")
            #expect(self.problem(.put, path)?.code == "not_found", "\(path)")
        }
    }

    @Test("A method that a path does not take is answered with those it does")
    func notAllowed() {
        #expect(self.problem(.put, "/v1/a")?.allow == "GET, HEAD, POST")
        #expect(self.problem(.get, "/v1/a/x")?.allow == "DELETE")
        #expect(self.problem(.head, "/v1/a/x")?.status == 405)
        #expect(self.problem(.options, "/")?.code == "method_not_allowed")
    }
}

struct ConsolePageTests {
    @Test("Inline styles and scripts run by their digests, and nothing else does")
    func policy() {
        let page = ConsolePage(
            Array(
                ("<style>a{}</style><script type=\"module\">let a\n</script>"
                    + "<script>b</script>").utf8
            )
        )
        #expect(
            page.policy.contains(
                "script-src 'sha256-rBvGuBlJwGMF4O9K7jfqrurIBVIlQgAGOzlfwuINe2A=' "
                    + "'sha256-PiPoFgA5WUoziU9lZOGxNIu9egCI1CxKy3PurtWcAJ0='; "
                    + "style-src 'sha256-X1RutGBrXCt9KkSaXMK7tHftWiRscFHOhxsS8tv8hBk='"
            ),
            "\(page.policy)"
        )
        #expect(page.policy.hasPrefix("default-src 'none'; "))
        #expect(ConsolePage(Array("<p>".utf8)).policy.contains("script-src 'none'"))
    }
}
