import Foundation
import HTTPTypes
import Hummingbird
import NIOCore
import TickertapeCore
import TickertapeLog
import TickertapeWire

/// Why a request to the admin door was refused, as `application/problem+json` (RFC 9457).
///
/// The codes of the public API keep their meaning; those that only operators meet are here.
struct AdminProblem: Error, Equatable {
    enum Code: String, CaseIterable {
        case topicExists = "topic_exists"
        case topicNotEnded = "topic_not_ended"
        case policyNotFound = "policy_not_found"
        case tooManyPolicies = "too_many_policies"
        case subscriberNotFound = "subscriber_not_found"
        case tokenNotFound = "token_not_found"
        case tooManyTokens = "too_many_tokens"
        case internalError = "internal_error"
    }

    let status: Int
    let code: String
    let title: String
    /// One sentence that says what to change.
    var detail: String
    var retryAfterSeconds: Int?
    var allow: String?
    /// What of a stream of lines was published before it broke.
    var published: Int?

    init(_ code: Code, _ detail: String) {
        self.status = code.status
        self.code = code.rawValue
        self.title = code.title
        self.detail = detail
    }

    init(_ problem: Problem) {
        self.status = problem.code.status
        self.code = problem.code.rawValue
        self.title = problem.code.title
        self.detail = problem.detail
        self.retryAfterSeconds = problem.retryAfterSeconds
        self.allow = problem.allow
    }

    init(_ code: Problem.Code, _ detail: String) {
        self.init(Problem(code, detail))
    }

    init(_ error: LogError) {
        switch error {
        case .diskFull:
            self.init(
                Problem(.diskFull, "the log has no room on its disk", retryAfterSeconds: 1)
            )
        case .unavailable(let reason):
            self.init(
                Problem(
                    .logUnavailable,
                    "the log cannot be used now: \(reason)",
                    retryAfterSeconds: 1
                )
            )
        case .closed:
            self.init(Problem(.draining, "the broker is stopping", retryAfterSeconds: 1))
        }
    }

    var json: ByteBuffer {
        var writer = JSONWriter()
        writer.object { writer in
            writer.field("status", Int64(self.status))
            writer.field("code", self.code)
            writer.field("title", self.title)
            writer.field("detail", self.detail)
            if let published = self.published { writer.field("published", Int64(published)) }
        }
        return writer.buffer
    }

    var response: Response {
        var headers: HTTPFields = [.contentType: "application/problem+json"]
        if let seconds = self.retryAfterSeconds { headers[.retryAfter] = "\(seconds)" }
        if let allow = self.allow { headers[.allow] = allow }
        if self.code == Problem.Code.unauthorized.rawValue {
            // Both are offered: programs take the first, browsers ask for a password.
            headers.append(
                HTTPField(name: .wwwAuthenticate, value: "Bearer realm=\"tickertape\"")
            )
            headers.append(
                HTTPField(
                    name: .wwwAuthenticate,
                    value: "Basic realm=\"tickertape\", charset=\"UTF-8\""
                )
            )
        }
        return Response(
            status: .init(code: self.status),
            headers: headers,
            body: .init(byteBuffer: self.json)
        )
    }
}

extension AdminProblem.Code {
    var status: Int {
        switch self {
        case .policyNotFound, .subscriberNotFound, .tokenNotFound: 404
        case .topicExists, .topicNotEnded, .tooManyPolicies, .tooManyTokens: 409
        case .internalError: 500
        }
    }

    var title: String {
        switch self {
        case .topicExists: "The topic exists already"
        case .topicNotEnded: "The topic has not ended"
        case .policyNotFound: "There is no such policy"
        case .tooManyPolicies: "There are too many policies"
        case .subscriberNotFound: "There is no such subscriber"
        case .tokenNotFound: "There is no such token"
        case .tooManyTokens: "There are too many tokens"
        case .internalError: "The broker has made a mistake"
        }
    }
}
