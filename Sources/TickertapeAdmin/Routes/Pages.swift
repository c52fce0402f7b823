import Crypto
import Foundation
import HTTPTypes
import Hummingbird
import NIOCore

/// The console, the description of the API, and the metrics.
extension RouteTable {
    mutating func addPages(_ backend: AdminBackend) {
        let console = ConsolePage(PackageResources.console_html)
        self.add(.get, "/") { request in
            _ = try request.query([])
            return console.response
        }
        let description = ByteBuffer(bytes: PackageResources.openapi_json)
        self.add(.get, "/openapi.json") { request in
            _ = try request.query([])
            return .json(.ok, description)
        }
        self.add(.get, "/metrics") { request in
            _ = try request.query([])
            return Response(
                status: .ok,
                headers: [.contentType: "text/plain; version=0.0.4; charset=utf-8"],
                body: .init(byteBuffer: backend.metrics())
            )
        }
    }
}

/// The console with the policy under which browsers run it: its own inline style and script, by
/// their digests, and requests to the door that served it; nothing else.
struct ConsolePage: Sendable {
    let policy: String
    private let page: ByteBuffer

    init(_ page: [UInt8]) {
        let text = String(decoding: page, as: UTF8.self)
        let styles = Self.digests(of: "style", in: text)
        let scripts = Self.digests(of: "script", in: text)
        self.policy = [
            "default-src 'none'",
            "script-src \(scripts)",
            "style-src \(styles)",
            "connect-src 'self'",
            "img-src 'self' data:",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ].joined(separator: "; ")
        self.page = ByteBuffer(bytes: page)
    }

    var response: Response {
        Response(
            status: .ok,
            headers: [
                .contentType: "text/html; charset=utf-8",
                .contentSecurityPolicy: self.policy,
            ],
            body: .init(byteBuffer: self.page)
        )
    }

    /// The digests of the inline elements of one name (CSP Level 3 §2.3.1), or 'none'.
    static func digests(of element: String, in page: String) -> String {
        var digests: [String] = []
        var rest = page[...]
        while let open = rest.range(of: "<\(element)"),
            let start = rest.range(of: ">", range: open.upperBound..<rest.endIndex),
            let end = rest.range(of: "</\(element)>", range: start.upperBound..<rest.endIndex)
        {
            let content = rest[start.upperBound..<end.lowerBound]
            let digest = Data(SHA256.hash(data: Data(content.utf8))).base64EncodedString()
            digests.append("'sha256-\(digest)'")
            rest = rest[end.upperBound...]
        }
        return digests.isEmpty ? "'none'" : digests.joined(separator: " ")
    }
}
