import NIOCore
import TickertapeWire

/// The JavaScript client, as pages import it from the broker; the raw value is the path.
enum ClientFile: String, CaseIterable {
    case script = "/tickertape.js"
    /// What it exports, for TypeScript.
    case types = "/tickertape.d.ts"

    var type: StaticString {
        switch self {
        case .script: "text/javascript; charset=utf-8"
        // Nothing runs it, and nothing may.
        case .types: "text/plain; charset=utf-8"
        }
    }

    /// The bytes, and the tag that goes with no others (RFC 9110 §8.8.3).
    var content: (body: ByteBuffer, tag: String) {
        switch self {
        case .script: Self.scriptContent
        case .types: Self.typesContent
        }
    }

    private static let scriptContent = tagged(PackageResources.tickertape_js)
    private static let typesContent = tagged(PackageResources.tickertape_d_ts)

    private static func tagged(_ bytes: [UInt8]) -> (ByteBuffer, String) {
        (ByteBuffer(bytes: bytes), contentTag(of: bytes))
    }
}

/// Whether a list of tags names `tag`; weak ones too, as is the rule for `If-None-Match`
/// (RFC 9110 §13.1.2).
///
/// No tag made here has a comma.
func tagList(_ list: String, names tag: String) -> Bool {
    list.split(separator: ",").contains { item in
        let item = trimmed(item)
        return item == "*" || item == tag || item == "W/" + tag
    }
}
