/// What the public door serves besides its main job.
package struct Features: Sendable {
    /// The demo under `/demo/`.
    package var hasDemo = false
    /// `/ws/echo`, for conformance suites.
    package var hasWebSocketEcho = false
    /// Takes the offer of `permessage-deflate`.
    package var compressesWebSockets = true

    package init() {}
}
