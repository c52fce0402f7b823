import NIOCore
import NIOHTTP1
import TickertapeAccess
import TickertapeCore
import TickertapeWire

/// What the connection does next with a request that comes in piece by piece.
enum RequestStep {
    /// Nothing yet.
    case more
    /// Say that the body may come (RFC 9110 §10.1.1).
    case sendContinue
    case publish(Draft, RequestEnd)
    /// The body of a streaming publish follows, piece by piece.
    case stream(StreamedPublish, RequestEnd)
    case streamed(ByteBuffer)
    case streamEnded
    /// All or none.
    case batch([Draft], RequestEnd)
    case start(Route, RequestEnd)
    case subscribe(SubscribeQuery, RequestEnd)
    /// Have the signature of a credential checked, tell the machine, and give it the same head again.
    case verify(String)
    /// Refuse it. What follows of its body is dropped by the machine.
    case refuse(Problem, RequestEnd)
}

/// What is needed of a request to answer it.
struct RequestEnd {
    var isHead = false
    /// The connection ends after the answer.
    var mustClose = false
    var isHTTP10 = false
    var acceptsEventStream = false
    /// Who asks, where that matters.
    var admitted: Admitted?
    /// Fields that every answer to it has, errors included.
    var fields: ResponseFields = []
}

/// A publish whose head says nothing else that matters.
struct PlainPublish {
    var target: PublishTarget
    let admitted: Admitted
}

/// Names and values, in the order they are sent.
typealias ResponseFields = [(name: StaticString, value: String)]

/// Puts requests together from their parts and checks them on the way.
///
/// No IO. One request at a time, as the decoder gives them.
struct RequestMachine {
    private enum State {
        case idle
        /// The head was good; a body that nobody asked for is dropped.
        case withoutBody(Route, RequestEnd, dropped: Int)
        case publish(PublishTarget, PublishTerms, RequestEnd, ByteBuffer?)
        /// What comes is passed on.
        case stream
        case batch(StreamTarget, idempotencyKey: String?, RequestEnd, ByteBuffer?)
        case subscribe(RequestHeader, RequestEnd, ByteBuffer?)
        /// Refused and answered; the rest of the body is dropped.
        case refused
    }

    private var state = State.idle
    /// The target of the last publish: a connection mostly publishes to one topic.
    private var lastPublish: (uri: String, routed: Routed)?
    /// Who asked last: a connection mostly shows one credential.
    private(set) var admitted: Admitted?
    private var verified: CheckedCredential?
    private let router: Router
    let admission: Admission
    let peer: Peer
    /// The major version of HTTP that is spoken.
    private let majorVersion: Int
    private var limits: Limits { self.router.limits }

    /// What `KnownHeadHandler` asks about the head that came last.
    struct LastHead {
        /// The announced length of its body.
        let bodyBytes: Int
        /// Its target, when the head says nothing else that matters.
        var plainPublish: PlainPublish?
    }

    /// Nothing when no head came since it was forgotten, or its body is chunked.
    private(set) var lastHead: LastHead?
    /// Since it was forgotten.
    private(set) var headsSeen = 0

    init(router: Router, admission: Admission, peer: Peer, majorVersion: Int = 1) {
        self.majorVersion = majorVersion
        self.router = router
        self.admission = admission
        self.peer = peer
    }

    mutating func remember(_ admitted: Admitted) -> Admitted {
        self.admitted = admitted
        return admitted
    }

    /// What became of a credential that was to be verified.
    mutating func take(_ verified: CheckedCredential) {
        self.verified = verified
    }

    /// It counts for one request: later ones are asked about anew.
    mutating func takeVerified() -> CheckedCredential? {
        defer { self.verified = nil }
        return self.verified
    }

    var isIdle: Bool {
        if case .idle = self.state { return true }
        return false
    }

    mutating func forgetLastHead() {
        self.lastHead = nil
        self.headsSeen = 0
    }

    mutating func received(_ part: HTTPServerRequestPart) -> RequestStep {
        switch part {
        case .head(let head): return self.head(head)
        case .body(let bytes): return self.body(bytes)
        case .end: return self.end()
        }
    }

    private mutating func head(_ head: HTTPRequestHead) -> RequestStep {
        let header = RequestHeader(head.headers)
        var end = RequestEnd()
        end.isHead = head.method == .HEAD
        end.isHTTP10 = head.version == .http1_0
        // The decoder reads nothing behind a request that could switch protocols.
        let isLast = header.asksForUpgrade || head.method == .CONNECT
        end.mustClose = !head.isKeepAlive || end.isHTTP10 || isLast
        end.acceptsEventStream = header.acceptsEventStream
        let bodyBytes = header.isChunked ? nil : header.contentLength ?? 0
        // A longer body ends the connection, whatever it is; it may be longer than can be counted.
        let bytesMax = max(self.limits.messageBytesMax, self.limits.discardedBodyBytesMax)
        let isUsable = bodyBytes.map { (0...bytesMax).contains($0) } ?? false
        self.lastHead = isUsable ? bodyBytes.map { LastHead(bodyBytes: $0) } : nil
        self.headsSeen += 1
        let (seen, peer) = self.origin(of: header)
        let isPublic = self.router.isPublic(head)
        let judgement =
            isPublic
            ? BrowserRules.publicJudgement
            : self.admission.rules.browsers.judge(seen, isSecure: peer.isSecure)
        end.fields =
            judgement.fields
            + self.admission.rules.browsers.transportFields(
                isSecure: peer.isSecure,
                isPublish: head.method == .POST
            )
        do throws(Problem) {
            try self.checkHead(head, header)
            if self.peer.isOverBound { throw self.tooManyConnections }
            if let refusal = judgement.refusal { throw refusal }
            let routed = try self.route(head, header)
            if routed.route.needsAdmission {
                let admittance = try self.admit(
                    header,
                    inQuery: routed.credential,
                    takesCookies: judgement.takesCookies,
                    at: peer.share
                )
                switch admittance {
                case .verify(let credential): return .verify(credential)
                case .admitted(let admitted):
                    try self.authorize(routed.route, admitted)
                    end.admitted = admitted
                }
            }
            switch routed.route {
            case .publish(let target):
                try header.checkPublish(self.limits)
                let terms = try header.publishTerms()
                self.state = .publish(target, terms, end, nil)
                if terms.isEmpty && header.expect == nil && !end.mustClose
                    && end.fields.isEmpty, let admitted = end.admitted
                {
                    self.lastHead?.plainPublish = PlainPublish(target: target, admitted: admitted)
                }
            case .publishStream(let target):
                try header.checkStream(self.limits)
                self.state = .stream
                // Its body is as long as it likes: what stands behind it is parsed.
                self.lastHead = nil
                return .stream(
                    StreamedPublish(
                        target: target,
                        idempotencyKey: header.idempotencyKey,
                        awaitsContinue: header.expect != nil && header.hasBody && !end.isHTTP10
                    ),
                    end
                )
            case .publishBatch(let target):
                try header.checkBatch(self.limits)
                self.state = .batch(target, idempotencyKey: header.idempotencyKey, end, nil)
            case .eventsByBody:
                try header.checkSubscribe(self.limits)
                self.state = .subscribe(header, end, nil)
            case .preflight:
                end.fields += BrowserRules.preflightFields(self.limits)
                self.state = .withoutBody(.preflight, end, dropped: 0)
            case let route:
                self.state = .withoutBody(route, end, dropped: 0)
            }
            let isAwaited = header.expect != nil && header.hasBody && !end.isHTTP10
            return isAwaited ? .sendContinue : .more
        } catch {
            self.state = .refused
            let length = header.contentLength ?? 0
            if header.isChunked || length > self.limits.discardedBodyBytesMax {
                end.mustClose = true
            }
            // What is wrong with the head itself leaves no trust in what follows.
            if error.code == .badRequest || error.code == .uriTooLong { end.mustClose = true }
            if self.peer.isOverBound { end.mustClose = true }
            // A client that waits for 100 sends no body once it has the answer, or all of it.
            if header.expect != nil && header.hasBody { end.mustClose = true }
            return .refuse(error, end)
        }
    }

    /// A route, and the credential that stands in the query.
    struct Routed {
        let route: Route
        var credential: String?
    }

    private mutating func route(
        _ head: HTTPRequestHead,
        _ header: RequestHeader
    ) throws(Problem) -> Routed {
        if head.method == .POST, let last = self.lastPublish, bytesAreEqual(last.uri, head.uri),
            header.streamedFormat == nil
        {
            return last.routed
        }
        if head.method == .OPTIONS, header.isPreflight, header.origin != nil {
            return Routed(route: .preflight)
        }
        var routed = Routed(route: try self.router.route(head, header))
        if routed.route.needsAdmission {
            routed.credential = try self.router.credential(inQueryOf: head.uri)
        }
        if case .publish = routed.route { self.lastPublish = (head.uri, routed) }
        return routed
    }

    private var tooManyConnections: Problem {
        Problem(
            .tooManyClientConnections,
            "this client has \(self.peer.share.connectionBound) connections open already",
            retryAfterSeconds: 10
        )
    }

    private func checkHead(
        _ head: HTTPRequestHead,
        _ header: RequestHeader
    ) throws(Problem) {
        guard head.version.major == self.majorVersion else {
            throw Problem(.httpVersion, "HTTP/1.1 and HTTP/1.0 are served")
        }
        guard header.hostCount == 1 || (header.hostCount == 0 && head.version == .http1_0) else {
            throw Problem(.badRequest, "a request has exactly one Host (RFC 9112 §3.2)")
        }
        guard !header.hasUnknownCoding else {
            throw Problem(.badRequest, "the one transfer coding known is chunked")
        }
        if let expect = header.expect, !isSame(expect, "100-continue") {
            throw Problem(.expectationFailed, "the one expectation known is 100-continue")
        }
    }

    private mutating func body(_ bytes: ByteBuffer) -> RequestStep {
        switch self.state {
        case .idle: preconditionFailure("a body comes after its head")
        case .refused: return .more
        case .withoutBody(let route, var end, let dropped):
            let total = dropped + bytes.readableBytes
            guard total <= self.limits.discardedBodyBytesMax else {
                self.state = .refused
                end.mustClose = true
                return .refuse(.bodyTooLarge(self.limits), end)
            }
            self.state = .withoutBody(route, end, dropped: total)
            return .more
        case .stream: return .streamed(bytes)
        case .batch(let target, let key, var end, let body):
            self.state = .refused
            let whole = joined(consume body, bytes)
            guard whole.readableBytes <= self.limits.atomicBytesMax else {
                end.mustClose = true
                return .refuse(.batchTooLarge(self.limits), end)
            }
            self.state = .batch(target, idempotencyKey: key, end, whole)
            return .more
        case .publish(let target, let terms, var end, let body):
            self.state = .refused
            let whole = joined(consume body, bytes)
            guard whole.readableBytes <= self.limits.messageBytesMax else {
                end.mustClose = true
                return .refuse(.messageTooLarge(self.limits), end)
            }
            self.state = .publish(target, terms, end, whole)
            return .more
        case .subscribe(let header, var end, let body):
            self.state = .refused
            let whole = joined(consume body, bytes)
            guard whole.readableBytes <= self.limits.subscribeBodyBytesMax else {
                end.mustClose = true
                return .refuse(.bodyTooLarge(self.limits), end)
            }
            self.state = .subscribe(header, end, whole)
            return .more
        }
    }

    private mutating func end() -> RequestStep {
        let ended = self.state
        self.state = .idle
        switch ended {
        case .idle: preconditionFailure("a request ends after its head")
        case .refused: return .more
        case .withoutBody(let route, let end, _): return .start(route, end)
        case .publish(let target, let terms, let end, let body):
            return Self.publish(body ?? ByteBuffer(), to: target, terms, end)
        case .stream: return .streamEnded
        case .batch(let target, let key, let end, let body):
            do throws(Problem) {
                let drafts = try self.router.drafts(
                    body ?? ByteBuffer(),
                    of: target,
                    key: key
                ) { topic throws(Problem) in
                    try self.admission.checkPublish(end.admitted?.access, to: topic)
                }
                return .batch(drafts, end)
            } catch {
                return .refuse(error, end)
            }
        case .subscribe(let header, let end, let body):
            do throws(Problem) {
                let decoded = try SubscribeBody.decode(body ?? ByteBuffer())
                let query = try self.router.subscribe(decoded, header)
                try self.admission.checkSubscribe(end.admitted?.access, to: query.filter)
                return .subscribe(query, end)
            } catch {
                return .refuse(error, end)
            }
        }
    }
}

extension RequestMachine {
    /// What a complete publish is: a draft, or refused for its payload.
    static func publish(
        _ payload: ByteBuffer,
        to target: PublishTarget,
        _ terms: PublishTerms,
        _ end: RequestEnd
    ) -> RequestStep {
        guard let data = String(validating: payload.readableBytesView, as: UTF8.self) else {
            return .refuse(
                Problem(.notUTF8, "the payload is carried as text: send UTF-8"),
                end
            )
        }
        let draft = Draft(
            topic: target.topic,
            event: target.event,
            key: target.key,
            data: data,
            idempotencyKey: terms.idempotencyKey,
            end: target.endsTopic ? .withMessage : .none,
            condition: terms.condition
        )
        return .publish(draft, end)
    }
}

private func joined(_ body: consuming ByteBuffer?, _ bytes: ByteBuffer) -> ByteBuffer {
    guard var body = consume body else { return bytes }
    body.writeImmutableBuffer(bytes)
    return body
}
