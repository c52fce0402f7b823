import Testing
import TickertapeCore
import TickertapeLog
import TickertapeTestSupport

/// What every log promises about appending and announcing.
enum MessageLogContract {
    static func idsIncrease(_ log: any MessageLog) async throws {
        var last = log.head
        for number in 0..<20 {
            let drafts = try (0...number % 3).map { try draft("a/\($0)") }
            let ids = await log.append(drafts).compactMap(\.storedID)
            #expect(ids.count == drafts.count)
            for id in ids {
                #expect(id > last)
                last = id
            }
            #expect(log.head == last)
        }
    }

    static func announcements(_ log: any MessageLog) async throws {
        let told = Told()
        told.listen(to: log)
        let drafts = [
            try draft("a/b", "one", event: "ev", key: "k"), try draft("é", ""),
            try draft("a/b", "x\u{0}y\r\n"), try draft("e\u{301}", "新👍🏽", key: "\u{0}"),
        ]
        let ids = await log.append(drafts).compactMap(\.storedID)
        #expect(told.batches.count == 1, "one submission is one transaction")
        let batch = try #require(told.batches.first)
        #expect(batch.messages.map(\.id) == ids)
        #expect(batch.firstID == ids.first)
        #expect(batch.lastID == ids.last)
        #expect(batch.bytes == batch.messages.reduce(0) { $0 + $1.bytes })
        for (message, draft) in zip(batch.messages, drafts) { expect(message, is: draft) }
        let read = try await log.page(of: "**")
        for (message, announced) in zip(read.messages, batch.messages) {
            expect(message, is: announced)
        }
    }

    static func order(_ log: any MessageLog) async throws {
        let told = Told()
        told.listen(to: log)
        let callCount = 200
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<callCount {
                let drafts = try (0...number % 4).map { try draft("a/\(number % 7)", "\($0)") }
                group.addTask {
                    await withCheckedContinuation { continuation in
                        told.nextCall { call in
                            for draft in drafts { precondition(log.admit(draft)) }
                            log.append(drafts) { results in
                                told.answered(call, results)
                                continuation.resume()
                            }
                        }
                    }
                }
            }
            try await group.waitForAll()
        }
        self.check(told.events, callCount: callCount)
        let times = told.messages.map(\.timeMilliseconds)
        #expect(times == times.sorted(), "time never decreases with id")
    }

    private static func check(_ events: [Told.Event], callCount: Int) {
        var announced: [Int64] = []
        var answered: [Int64] = []
        var nextCall = 0
        for event in events {
            switch event {
            case .batch(let ids): announced += ids
            case .results(let call, let results):
                #expect(call == nextCall, "answers come in the order of the calls")
                nextCall += 1
                answered += results.compactMap(\.storedID)
                #expect(answered.count <= announced.count, "announced before it is answered")
            case .removal, .ended: Issue.record("nobody has removed or ended anything")
            }
        }
        #expect(nextCall == callCount, "each call has one answer")
        #expect(announced == answered)
        #expect(zip(announced, announced.dropFirst()).allSatisfy { $0 < $1 })
    }

    static func readYourWrites(_ log: any MessageLog) async throws {
        for _ in 0..<50 {
            let id = try #require(await log.append(try draft("a")).first?.storedID)
            let page = try await log.page(of: "a", after: id - 1)
            #expect(page.messages.map(\.id) == [id])
            #expect(try await log.message(id)?.id == id)
        }
    }

    static func queueBound(_ log: any MessageLog, messagesMax: Int) async throws {
        let drafts = try (0..<messagesMax).map { try draft("a", "\($0)") }
        for draft in drafts { #expect(log.admit(draft)) }
        #expect(!log.admit(drafts[0]), "the queue is full")
        await withCheckedContinuation { continuation in
            log.append(drafts) { _ in continuation.resume() }
        }
        // Room is given back right after the answer.
        while !log.admit(drafts[0]) { await Task.yield() }
        #expect(log.head == messagesMax)
    }

    static func unwantedReads(_ log: any MessageLog) async throws {
        _ = await log.append(try draft("a"))
        let ticket = ReadTicket()
        let filter = try filter(["a"])
        let request = PageRequest(filter: filter, after: 0, messagesMax: 1, bytesMax: 1)
        #expect(try await log.page(request, for: ticket).messages.count == 1)
        #expect(try await log.tail(of: filter, count: 1, for: ticket).after == 0)
        ticket.giveBack()
        await #expect(throws: LogError.closed) { try await log.page(request, for: ticket) }
        await #expect(throws: LogError.closed) {
            try await log.tail(of: filter, count: 1, for: ticket)
        }
        #expect(try await log.page(request).messages.count == 1, "others are served")
    }

    static func closing(_ log: any MessageLog) async throws {
        let told = Told()
        told.listen(to: log)
        for call in 0..<50 {
            let draft = try draft("a", "\(call)")
            precondition(log.admit(draft))
            log.append([draft]) { told.answered(call, $0) }
        }
        log.close()
        self.check(told.events, callCount: 50)
        #expect(told.messages.count == 50, "what was appended is committed")
        let after = try draft("a")
        #expect(log.admit(after))
        #expect(await log.append(after) == [.failed(.closed)])
        await #expect(throws: LogError.closed) { try await log.page(of: "a") }
        await #expect(throws: LogError.closed) { try await log.tail(of: "a", count: 1) }
        await #expect(throws: LogError.closed) { try await log.message(1) }
    }
}

func expect(
    _ message: Message?,
    is draft: Draft,
    sourceLocation: SourceLocation = #_sourceLocation
) {
    let found = [message?.topic.text, message?.event, message?.key, message?.data]
    let wanted = [draft.topic.text, draft.event, draft.key, draft.data]
    for (found, wanted) in zip(found, wanted) {
        #expect(
            found.map { Array($0.utf8) } == wanted.map { Array($0.utf8) },
            sourceLocation: sourceLocation
        )
    }
}

func expect(
    _ message: Message?,
    is other: Message,
    sourceLocation: SourceLocation = #_sourceLocation
) {
    #expect(message?.id == other.id, sourceLocation: sourceLocation)
    #expect(message?.timeMilliseconds == other.timeMilliseconds, sourceLocation: sourceLocation)
    let draft = Draft(topic: other.topic, event: other.event, key: other.key, data: other.data)
    expect(message, is: draft, sourceLocation: sourceLocation)
}
