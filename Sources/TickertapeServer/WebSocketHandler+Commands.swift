import NIOCore
import TickertapeBroker
import TickertapeCore
import TickertapeLog
import TickertapeWire

/// What the commands of a WebSocket do.
extension WebSocketHandler {
    func take(_ command: WebSocketCommand.Decoded) {
        do throws(Problem) {
            switch try command.result.get() {
            case .subscribe(let subscribe):
                self.commandsLeft -= subscribe.topics.count
                try self.subscribe(subscribe, command.ref)
            case .unsubscribe(let name): try self.unsubscribe(name, command.ref)
            case .publish(let publish): try self.publish(publish, command.ref)
            case .stop(let topic): try self.stop(topic, command.ref)
            case .auth(let token): self.authorize(token, command.ref)
            case .ping: self.reply { WebSocketMessage.writePong(ref: command.ref, into: &$0) }
            }
        } catch {
            self.reply { WebSocketMessage.write(error, ref: command.ref, into: &$0) }
        }
    }

    // MARK: - Subscriptions

    private func subscribe(
        _ command: WebSocketCommand.Subscribe,
        _ ref: WebSocketRef?
    ) throws(Problem) {
        let limits = self.server.limits
        guard self.subscriptions.count < limits.subscriptionsMax else {
            throw Problem(
                .tooManySubscriptions,
                "a connection has at most \(limits.subscriptionsMax) subscriptions"
            )
        }
        let name = try self.name(command.subscription)
        let query = try self.server.router.subscribe(
            to: command.topics,
            cursor: command.after,
            tail: command.tail,
            tellsCaughtUp: true,
            coalesce: command.coalesce
        )
        try self.server.admission.checkSubscribe(self.admitted.access, to: query.filter)
        guard !self.server.fanout.isDeleted(query.filter) else {
            throw Problem(.topicDeleted, "all topics of this subscription were deleted")
        }
        let subscription = WebSocketSubscription(
            name: name,
            ref: ref,
            windowBits: self.windowBits,
            connection: self
        )
        self.subscriptions[name] = subscription
        let opened = self.server.fanout.subscribe(
            to: query.filter,
            from: query.start,
            tellsCaughtUp: query.tellsCaughtUp,
            coalesces: query.coalesces,
            transport: subscription
        )
        subscription.subscription = opened
        // The connection may have ended while the opening was written.
        if self.subscriptions[name] !== subscription { self.close(subscription) }
    }

    /// The name that was given, or a number.
    private func name(_ given: String?) throws(Problem) -> SubscriptionName {
        guard let given else {
            while true {
                let number = SubscriptionName(String(self.nextSubscription))
                self.nextSubscription += 1
                if self.subscriptions[number] == nil { return number }
            }
        }
        let bytesMax = self.server.limits.subscriptionNameBytesMax
        guard (1...bytesMax).contains(given.utf8.count),
            !given.unicodeScalars.contains(where: \.isControl)
        else {
            throw Problem(
                .invalidParameter,
                "'subscription' is 1 to \(bytesMax) bytes without control characters"
            )
        }
        let name = SubscriptionName(given)
        guard self.subscriptions[name] == nil else {
            throw Problem(.subscriptionExists, "there is a subscription '\(given)' already")
        }
        return name
    }

    private func unsubscribe(_ name: String, _ ref: WebSocketRef?) throws(Problem) {
        guard let subscription = self.subscriptions.removeValue(forKey: SubscriptionName(name))
        else {
            throw Problem(
                .unknownSubscription,
                "there is no subscription '\(shortened(name))' on this connection"
            )
        }
        self.close(subscription)
        self.reply { WebSocketMessage.writeUnsubscribed(name, ref: ref, into: &$0) }
        // It may have been the one that was woken.
        self.wakeNext()
    }

    /// All its topics have ended; the connection goes on without it.
    func end(_ subscription: WebSocketSubscription, with end: TopicEnd) {
        guard self.subscriptions[subscription.name] === subscription else { return }
        self.subscriptions[subscription.name] = nil
        self.close(subscription)
        self.reply {
            WebSocketMessage.write(end, for: subscription.name.text, into: &$0)
        }
        self.writeReplies()
        // It may have been the one that was woken.
        self.wakeNext()
    }

    // MARK: - Publishing

    private func publish(
        _ command: WebSocketCommand.Publish,
        _ ref: WebSocketRef?
    ) throws(Problem) {
        let draft = try self.server.router.draft(command)
        try self.server.admission.checkPublish(self.admitted.access, to: draft.topic)
        try self.submit(draft, ref)
    }

    /// Ends a topic at the wish of a reader.
    private func stop(_ name: String, _ ref: WebSocketRef?) throws(Problem) {
        let topic = try self.server.router.topic(name)
        try self.server.admission.checkStop(self.admitted.access, of: topic)
        try self.submit(Draft.end(topic, reason: .stopped), ref)
    }

    /// Hands a draft to the log, if the client has not published too fast.
    private func submit(_ draft: Draft, _ ref: WebSocketRef?) throws(Problem) {
        do throws(RateExceeded) {
            try self.server.admission.checkRate(
                self.admitted.share,
                draft.topic,
                bytes: draft.bytes
            )
        } catch {
            self.throttle(error)
            throw error.problem
        }
        let number = self.firstNumber + self.unanswered.count
        guard self.server.fanout.publish(draft, reply: self, number: number) else {
            throw .queueFull(self.server.limits)
        }
        let bytes = draft.bytes
        self.unanswered.append(
            Unanswered(ref: ref, topic: draft.topic, bytes: bytes, ends: draft.end != .none)
        )
        self.machine.published(bytes: bytes)
    }
}

extension WebSocketMessage.Hello {
    init(head: Int64, limits: Limits) {
        self.init(
            head: head,
            heartbeatSeconds: limits.heartbeatSeconds,
            messageBytesMax: limits.messageBytesMax,
            commandBytesMax: limits.commandBytesMax,
            topicsMax: limits.topicsPerStreamMax,
            tailMax: limits.tailMax,
            subscriptionsMax: limits.subscriptionsMax,
            unansweredPublishesMax: limits.unansweredPublishesMax
        )
    }
}

extension WebSocketHandler: PublishReply {
    func published(_ result: AppendResult, number: Int) {
        precondition(number == self.firstNumber, "the log answers in the order of appends")
        self.firstNumber += 1
        let publish = self.unanswered.removeFirst()
        switch PublishOutcome(result, publish.topic, self.server) {
        case .published(let id, let isRepeated):
            self.answer(publish, id: id, isRepeated: isRepeated)
        case .ended(let end):
            self.reply { WebSocketMessage.writeStopped(end, ref: publish.ref, into: &$0) }
        case .refused(let problem): self.answer(publish, problem)
        }
        if self.machine.answered(bytes: publish.bytes) == .farewell { self.sayFarewell() }
    }

    func publishedAll() {
        self.takeMessages()
    }

    private func answer(_ publish: Unanswered, id: Int64, isRepeated: Bool) {
        // The first with its idempotency key may have left it open.
        let hasEnded =
            publish.ends
            && (!isRepeated || self.server.fanout.end(of: TopicFilter(topic: publish.topic)) != nil)
        self.reply {
            WebSocketMessage.writePublished(
                id,
                topic: publish.topic,
                isRepeated: isRepeated,
                hasEnded: hasEnded,
                ref: publish.ref,
                into: &$0
            )
        }
    }

    private func answer(_ publish: Unanswered, _ problem: Problem) {
        self.reply { WebSocketMessage.write(problem, ref: publish.ref, into: &$0) }
    }
}
