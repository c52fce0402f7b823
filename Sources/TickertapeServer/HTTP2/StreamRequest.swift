import NIOHPACK
import NIOHTTP1
import TickertapeCore

/// The head of a request on an HTTP/2 stream, as HTTP/1 would have brought it.
///
/// What RFC 9113 §8 says of field names, pseudo-fields and lengths was checked by the connection.
enum StreamRequest {
    enum Failure: Error {
        case malformed
        /// Answered 431.
        case tooLarge
    }

    /// What the decoder of HTTP/1 would have given; `isWhole` when there is no body.
    ///
    /// - Throws: Why it is no request that is taken.
    static func head(
        _ headers: HPACKHeaders,
        isWhole: Bool,
        _ limits: Limits
    ) throws(Failure) -> HTTPRequestHead {
        var method = ""
        var path = ""
        var authority: String?
        var host: String?
        var cookies: [String] = []
        var hasLength = false
        var bytes = 0
        var count = 0
        var fields = HTTPHeaders()
        fields.reserveCapacity(headers.count + 2)
        for (name, value, _) in headers {
            bytes += name.utf8.count + value.utf8.count
            switch name {
            case ":method": method = value
            case ":path": path = value
            case ":authority": authority = value
            // A proxy may have taken TLS away: it says nothing about this connection.
            case ":scheme": break
            case "host":
                guard host == nil || host == value else { throw .malformed }
                host = value
            // A client may send it in pieces (RFC 9113 §8.2.3).
            case "cookie": cookies.append(value)
            default:
                if name == "content-length" { hasLength = true }
                count += 1
                fields.add(name: name, value: value)
            }
        }
        guard path.utf8.first == UInt8(ascii: "/") || (path == "*" && method == "OPTIONS") else {
            throw .malformed
        }
        // Both, if they are there, name the same (RFC 9113 §8.3.1).
        if let authority, let host, !isEqual(authority, host) { throw .malformed }
        // A target over its own limit is answered 414.
        let isLongTarget = path.utf8.count > limits.uriBytesMax
        guard bytes <= limits.headBytesMax || isLongTarget, count <= limits.headerFieldsMax else {
            throw .tooLarge
        }
        if let name = authority ?? host, !name.isEmpty { fields.add(name: "host", value: name) }
        if !cookies.isEmpty {
            fields.add(name: "cookie", value: cookies.joined(separator: "; "))
        }
        // Where HTTP/2 needs no length, HTTP/1 says how its body is framed.
        if !hasLength {
            if !isWhole {
                fields.add(name: "transfer-encoding", value: "chunked")
            } else if method == "POST" || method == "PUT" {
                fields.add(name: "content-length", value: "0")
            }
        }
        return HTTPRequestHead(
            version: HTTPVersion(major: 2, minor: 0),
            method: HTTPMethod(rawValue: method),
            uri: path,
            headers: fields
        )
    }

    private static func isEqual(_ left: String, _ right: String) -> Bool {
        left.utf8.elementsEqual(right.utf8) || left.lowercased() == right.lowercased()
    }
}
