/// What the demo serves; the raw value is the path.
enum DemoPage: String, CaseIterable {
    case ticker = "/demo/"
    case chat = "/demo/chat"
    case assistant = "/demo/assistant"
    case assistantScript = "/demo/assistant.js"
    case markdownScript = "/demo/markdown.js"
    case pages = "/demo/pages/"
    case typewriterPost = "/demo/pages/typewriter-post"
    case typewriterEventSource = "/demo/pages/typewriter-eventsource"
    case chatWebSocket = "/demo/pages/chat-websocket"
    case events = "/demo/pages/events"
    case tenth = "/demo/pages/tenth"
    case credentials = "/demo/pages/credentials"

    var type: StaticString {
        switch self {
        case .assistantScript, .markdownScript: "text/javascript; charset=utf-8"
        default: "text/html; charset=utf-8"
        }
    }

    var content: [UInt8] {
        switch self {
        case .ticker: PackageResources.demo_html
        case .chat: PackageResources.chat_html
        case .assistant: PackageResources.assistant_html
        case .assistantScript: PackageResources.assistant_js
        case .markdownScript: PackageResources.markdown_js
        case .pages: PackageResources.index_html
        case .typewriterPost: PackageResources.typewriter_post_html
        case .typewriterEventSource: PackageResources.typewriter_eventsource_html
        case .chatWebSocket: PackageResources.chat_websocket_html
        case .events: PackageResources.events_html
        case .tenth: PackageResources.tenth_html
        case .credentials: PackageResources.credentials_html
        }
    }
}
