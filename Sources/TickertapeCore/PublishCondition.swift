/// What has to hold for a message to be stored (RFC 9110 §13.1).
///
/// The *last id* of a topic is that of the last message published to it, also when it was removed
/// since, and 0 when there was none.
package enum PublishCondition: Hashable, Sendable {
    /// `If-Match: "1043"`: the last id is one of these.
    case lastIDIsOneOf([Int64])
    /// `If-None-Match: "1043"`: the last id is none of these.
    case lastIDIsNoneOf([Int64])
    /// `If-Match: *`: the topic has a message.
    case hasMessage
    /// `If-None-Match: *`: the topic has no message.
    case hasNoMessage

    /// Whether a message is stored in a topic that stands so.
    ///
    /// - Parameters:
    ///   - lastID: Of the topic; 0 when there is none.
    ///   - hasMessage: Whether the topic has a message now.
    /// - Returns: `true` when it is.
    package func holds(lastID: Int64, hasMessage: Bool) -> Bool {
        switch self {
        case .lastIDIsOneOf(let ids): ids.contains(lastID)
        case .lastIDIsNoneOf(let ids): !ids.contains(lastID)
        case .hasMessage: hasMessage
        case .hasNoMessage: !hasMessage
        }
    }
}
