package import NIOCore

/// Why a request was refused, as `application/problem+json` (RFC 9457).
package struct Problem: Error, Sendable, Equatable {
    /// The stable codes; the table in `docs/protocol.md` is their registry.
    package enum Code: String, CaseIterable, Sendable {
        case badRequest = "bad_request"
        case badPercentEncoding = "bad_percent_encoding"
        case invalidTopic = "invalid_topic"
        case invalidPattern = "invalid_pattern"
        case invalidParameter = "invalid_parameter"
        case unknownParameter = "unknown_parameter"
        case repeatedParameter = "repeated_parameter"
        case tooManyTopics = "too_many_topics"
        case invalidBody = "invalid_body"
        case unauthorized = "unauthorized"
        case invalidToken = "invalid_token"
        case forbidden = "forbidden"
        case forbiddenOrigin = "forbidden_origin"
        case forbiddenHost = "forbidden_host"
        case notFound = "not_found"
        case messageNotFound = "message_not_found"
        case topicNotFound = "topic_not_found"
        case methodNotAllowed = "method_not_allowed"
        case requestTimeout = "request_timeout"
        case lengthRequired = "length_required"
        case messageTooLarge = "message_too_large"
        case bodyTooLarge = "body_too_large"
        case uriTooLong = "uri_too_long"
        case notUTF8 = "not_utf8"
        case unsupportedCharset = "unsupported_charset"
        case unsupportedContentEncoding = "unsupported_content_encoding"
        case unsupportedMediaType = "unsupported_media_type"
        case topicEnded = "topic_ended"
        case preconditionFailed = "precondition_failed"
        case batchTooLarge = "batch_too_large"
        case incompleteEvent = "incomplete_event"
        case notStored = "not_stored"
        case expectationFailed = "expectation_failed"
        case idempotencyKeyReused = "idempotency_key_reused"
        case headersTooLarge = "headers_too_large"
        case rateLimited = "rate_limited"
        case tooManyClientConnections = "too_many_client_connections"
        case tooManyClientStreams = "too_many_client_streams"
        case queueFull = "queue_full"
        case tooManyCredentials = "too_many_credentials"
        case draining = "draining"
        case logUnavailable = "log_unavailable"
        case tooManyStreams = "too_many_streams"
        case httpVersion = "http_version"
        case diskFull = "disk_full"
        case badHandshake = "bad_handshake"
        case upgradeRequired = "upgrade_required"
        case webSocketVersion = "websocket_version"
        case invalidCommand = "invalid_command"
        case unknownCommand = "unknown_command"
        case unknownSubscription = "unknown_subscription"
        case subscriptionExists = "subscription_exists"
        case topicDeleted = "topic_deleted"
        case tooManySubscriptions = "too_many_subscriptions"
    }

    package let code: Code
    /// One sentence that says what to change.
    package let detail: String
    /// Seconds for `Retry-After`, where trying again later can help.
    package var retryAfterSeconds: Int?
    /// Methods for `Allow`, with 405.
    package var allow: String?
    /// The line of the body it is about, counted from 1.
    package var line: Int?
    /// The last id of the topic, with `precondition_failed`; 0 when it has had no message.
    package var lastID: Int64?

    package init(
        _ code: Code,
        _ detail: String,
        retryAfterSeconds: Int? = nil,
        allow: String? = nil
    ) {
        self.code = code
        self.detail = detail
        self.retryAfterSeconds = retryAfterSeconds
        self.allow = allow
    }

    package func write(into buffer: inout ByteBuffer) {
        buffer.writeStaticString("{\"status\":")
        buffer.writeDecimal(Int64(self.code.status))
        buffer.writeStaticString(",\"code\":")
        buffer.writeJSON(string: self.code.rawValue)
        buffer.writeStaticString(",\"title\":")
        buffer.writeJSON(string: self.code.title)
        buffer.writeStaticString(",\"detail\":")
        buffer.writeJSON(string: self.detail)
        if let line = self.line {
            buffer.writeStaticString(",\"line\":")
            buffer.writeDecimal(Int64(line))
        }
        if let lastID = self.lastID {
            buffer.writeStaticString(",\"last_id\":")
            buffer.writeDecimal(lastID)
        }
        buffer.writeStaticString("}")
    }
}

extension Problem.Code {
    /// The HTTP status (RFC 9110 §15) the problem comes with.
    package var status: Int {
        switch self {
        case .badRequest, .badPercentEncoding, .invalidTopic, .invalidPattern,
            .invalidParameter, .unknownParameter, .repeatedParameter, .tooManyTopics,
            .invalidBody, .incompleteEvent, .badHandshake, .invalidCommand, .unknownCommand,
            .tooManySubscriptions:
            400
        case .unauthorized, .invalidToken: 401
        case .forbidden, .forbiddenOrigin, .forbiddenHost: 403
        case .notFound, .messageNotFound, .topicNotFound, .unknownSubscription: 404
        case .methodNotAllowed: 405
        case .requestTimeout: 408
        case .subscriptionExists, .topicEnded, .notStored: 409
        case .topicDeleted: 410
        case .lengthRequired: 411
        case .preconditionFailed: 412
        case .messageTooLarge, .bodyTooLarge, .batchTooLarge: 413
        case .uriTooLong: 414
        case .notUTF8, .unsupportedCharset, .unsupportedContentEncoding, .unsupportedMediaType:
            415
        case .expectationFailed: 417
        case .idempotencyKeyReused: 422
        case .upgradeRequired, .webSocketVersion: 426
        case .rateLimited, .tooManyClientConnections, .tooManyClientStreams: 429
        case .headersTooLarge: 431
        case .queueFull, .tooManyCredentials, .draining, .logUnavailable, .tooManyStreams: 503
        case .httpVersion: 505
        case .diskFull: 507
        }
    }

    /// The same for every problem with this code.
    package var title: String {
        switch self {
        case .badRequest: "The request is not well-formed HTTP"
        case .badPercentEncoding: "The percent-encoding is malformed"
        case .invalidTopic: "This is no name for a topic"
        case .invalidPattern: "This is no pattern for topics"
        case .invalidParameter: "A parameter has a value out of its range"
        case .unknownParameter: "There is no such parameter"
        case .repeatedParameter: "A parameter stands more than once"
        case .tooManyTopics: "Too many topics for one stream"
        case .invalidBody: "The body is not what this request takes"
        case .unauthorized: "This needs a token"
        case .invalidToken: "The token is not good"
        case .forbidden: "The token does not grant this"
        case .forbiddenOrigin: "Pages of this origin are not served"
        case .forbiddenHost: "This host name is not served"
        case .notFound: "There is nothing here"
        case .messageNotFound: "The topic has no message with this id"
        case .topicNotFound: "There is no topic of this name"
        case .methodNotAllowed: "This method is not allowed here"
        case .requestTimeout: "The request took too long to arrive"
        case .lengthRequired: "The length of the body is missing"
        case .messageTooLarge: "The message is too large"
        case .bodyTooLarge: "The body is too large"
        case .uriTooLong: "The request target is too long"
        case .notUTF8: "The payload is not UTF-8 text"
        case .unsupportedCharset: "The charset is not UTF-8"
        case .unsupportedContentEncoding: "The body is encoded"
        case .unsupportedMediaType: "This media type is not taken here"
        case .topicEnded: "The topic has ended"
        case .preconditionFailed: "The condition of this publish does not hold"
        case .batchTooLarge: "The batch is too large"
        case .incompleteEvent: "The body ends in the middle of an event"
        case .notStored: "Nothing of this batch was stored"
        case .expectationFailed: "This expectation cannot be met"
        case .idempotencyKeyReused: "The idempotency key was used for another message"
        case .headersTooLarge: "The header is too large"
        case .rateLimited: "This client publishes too fast"
        case .tooManyClientConnections: "Too many connections of one client"
        case .tooManyClientStreams: "Too many event streams of one client"
        case .queueFull: "The write queue is full"
        case .tooManyCredentials: "Too many tokens wait to be checked"
        case .draining: "The broker is stopping"
        case .logUnavailable: "The log cannot be written"
        case .tooManyStreams: "Too many event streams are open"
        case .httpVersion: "This version of HTTP is not served"
        case .diskFull: "The disk is full"
        case .badHandshake: "This is no handshake of a WebSocket"
        case .upgradeRequired: "This is served over a WebSocket"
        case .webSocketVersion: "This version of WebSocket is not served"
        case .invalidCommand: "The message is no command"
        case .unknownCommand: "There is no such command"
        case .unknownSubscription: "The connection has no such subscription"
        case .subscriptionExists: "The name of the subscription is in use"
        case .topicDeleted: "The topic was deleted"
        case .tooManySubscriptions: "Too many subscriptions for one connection"
        }
    }
}
