import Testing
import TickertapeCore
import TickertapeLog
import TickertapeTestSupport

/// Topics of a log of files that end, and are reopened, deleted or there again.
@Suite(.serialized)
struct TopicEndTests {
    @Test("Operators end a topic once, and reopen it")
    func operators() async throws {
        let a = try filter(["a"])
        let ended = try end("a", .stopped, at: 1)
        try await LogFolder().withLog { log async throws in
            let told = Told()
            told.listen(to: log)
            #expect(try await log.end("a") == nil)
            #expect(try await log.reopen("a") == nil)
            #expect(await log.append(try draft("a")) == [.stored(id: 1)])
            #expect(try await log.reopen("a") == false)
            let before = wallClockMilliseconds()
            let first = try #require(try await log.end("a", .stopped))
            #expect(first.withoutTime == ended)
            #expect((before...wallClockMilliseconds()).contains(first.timeMilliseconds))
            #expect(try await log.end("a", .ended) == first, "it stays as it was")
            #expect(log.end(of: a) == FilterEnd(last: first, lastID: 1))
            #expect(log.topics.ends == [1: first])
            #expect(log.statistics().topicCount == 1)
            #expect(await log.append(try draft("a")) == [.topicEnded(first)])
            #expect(log.statistics().refusals == 1)
            #expect(try await log.reopen("a") == true)
            #expect(log.topics.ends.isEmpty)
            #expect(log.end(of: a) == nil)
            #expect(await log.append(try draft("a", end: .withMessage)) == [.stored(id: 2)])
            let again = try end("a", at: 2)
            #expect(told.events == [.batch([1]), .ended(ended), .batch([2]), .ended(again)])
        }
    }

    @Test("An end survives a restart, and so does a topic that was reopened")
    func restart() async throws {
        let folder = try LogFolder()
        let (all, b) = (try filter(["a", "b", "c"]), try filter(["b"]))
        var ends: [Int64: TopicEnd] = [:]
        try await folder.withLog { log async throws in
            _ = await log.append(try draft("a"), try draft("b"), try draft("a", end: .withMessage))
            #expect(try await log.end("b", .stopped) != nil)
            #expect(await log.append(try ending("c")).count == 1)
            ends = log.topics.ends
            #expect(ends.count == 3)
        }
        try await folder.withLog { log async throws in
            #expect(log.topics.ends == ends)
            #expect(log.end(of: all)?.lastID == 3)
            #expect(try log.end(of: b)?.last.withoutTime == end("b", .stopped, at: 2))
            #expect(await log.append(try draft("a"), try draft("c")).allSatisfy { !$0.isDone })
            #expect(try await log.reopen("b") == true)
        }
        try await folder.withLog { log async throws in
            #expect(log.topics.ends.keys.sorted() == [1, 3])
            #expect(await log.append(try draft("b")) == [.stored(id: 4)])
        }
        // What is written there by hand and unknown is an end all the same.
        try folder.change("UPDATE topics SET end_reason = '?', end_last_id = 2 WHERE id = 2")
        try await folder.withLog { log async throws in
            #expect(try log.end(of: b)?.last.withoutTime == end("b", at: 2))
        }
    }

    @Test("An ended topic is deleted as any other, and is not ended when it is there again")
    func deletion() async throws {
        let folder = try LogFolder()
        let (a, ab) = (try filter(["a"]), try filter(["a", "b"]))
        try await folder.withLog { log async throws in
            let told = Told()
            told.listen(to: log)
            _ = await log.append(try draft("b", end: .withMessage))
            _ = await log.append(try draft("a"), try draft("a", once: "k", end: .withMessage))
            // Later than the end of `b`: what was deleted last is the last end.
            while wallClockMilliseconds() == log.end(of: ab)?.last.timeMilliseconds {
                await Task.yield()
            }
            #expect(try await log.delete("a")?.messages == 2)
            #expect(told.removals == ["deleted a 3"])
            #expect(log.topics.ends.keys.sorted() == [1])
            #expect(try log.end(of: a)?.last.withoutTime == end("a", .deleted, at: 0))
            #expect(log.end(of: ab)?.last.reason == .deleted)
            #expect(log.end(of: ab)?.lastID == 1)
            #expect(try await log.end("a") == nil)
            #expect(try await log.reopen("a") == nil)
        }
        try await folder.withLog { log async throws in
            #expect(log.end(of: ab)?.last.topic.text == "a", "also after a restart")
            #expect(log.end(of: ab)?.lastID == 1)
            let last = try draft("a", once: "k", end: .withMessage)
            #expect(await log.append(last) == [.alreadyStored(id: 3)])
            #expect(log.topics.deletions == [false, true])
            // Revived and ended in one transaction; the last id is that of the last message.
            let results = await log.append(try ending("a", .stopped), try draft("a"))
            let ended = try end("a", .stopped, at: 3)
            #expect(results.withoutTimes == [.ended(ended), .topicEnded(ended)])
            #expect(log.topics.deletions == [false, false])
            #expect(try await log.delete("a") != nil)
            #expect(try await log.create("a"))
            #expect(log.end(of: a) == nil)
            #expect(await log.append(try draft("a")) == [.stored(id: 4)])
        }
    }

    @Test("A policy refuses before a condition is looked at, and ends of topics it does not create")
    func policies() async throws {
        let closed = Policy(
            pattern: try TopicPattern("b/*"),
            maxMessageBytes: 2,
            createsTopics: false
        )
        try await LogFolder().withLog { log async throws in
            #expect(try await log.set(closed))
            let missing = PublishRefusal.topicNotFound(
                try TopicName("b/c"),
                pattern: closed.pattern
            )
            #expect(await log.append(try ending("b/c", .stopped)) == [.refused(missing)])
            #expect(log.topics.names.isEmpty)
            #expect(try await log.create("b/c"))
            let large = try draft("b/c", "123", condition: .hasMessage)
            let tooLarge = PublishRefusal.messageTooLarge(bytes: 3, max: 2, pattern: closed.pattern)
            #expect(await log.append(large) == [.refused(tooLarge)])
            #expect(await log.append(try ending("b/c")).allSatisfy { $0.isDone })
            let over = try end("b/c", at: 0)
            #expect(await log.append(large).withoutTimes == [.topicEnded(over)])
        }
    }

    @Test("The last id counts also when its message is gone, also after a restart")
    func lastIDs() async throws {
        let folder = try LogFolder()
        let conditions: [(PublishCondition, isMet: Bool)] = [
            (.lastIDIsOneOf([2]), true), (.lastIDIsOneOf([0]), false), (.hasNoMessage, true),
            (.hasMessage, false), (.lastIDIsNoneOf([2]), false),
        ]
        func expectAll(
            _ log: SQLiteLog,
            sourceLocation: SourceLocation = #_sourceLocation
        )
            async throws
        {
            for (condition, isMet) in conditions {
                let results = await log.append(
                    [
                        try draft("a", condition: condition),
                        try draft("b", condition: .lastIDIsOneOf([99])),
                    ],
                    atomic: true
                )
                let isFailed = results.first == .conditionFailed(lastID: 2)
                #expect(isFailed != isMet, "\(condition)", sourceLocation: sourceLocation)
            }
        }
        try await folder.withLog { log async throws in
            _ = await log.append(try draft("a"), try draft("a"))
            #expect(try await log.purge("a", before: .max)?.messages == 2)
            try await expectAll(log)
        }
        try await folder.withLog { log async throws in
            try await expectAll(log)
            #expect(try await log.delete("a") != nil)
            try await expectAll(log)
        }
        try await folder.withLog { log async throws in try await expectAll(log) }
    }

    @Test("A log of the third schema is taken over whole")
    func migration() async throws {
        let folder = try LogFolder()
        let policy = Policy(pattern: try TopicPattern("a"), maxMessages: 5, description: "d")
        let token = NewToken(
            hash: Array(repeating: 7, count: 32),
            hint: "ttk_",
            grant: Grant(publish: [try TopicPattern("a")], subscribe: []),
            expiresMilliseconds: nil,
            note: ""
        )
        try await folder.withLog { log async throws in
            #expect(try await log.set(policy))
            #expect(try await log.create(token)?.id == 1)
            _ = await log.append(try draft("a"), try draft("b"))
            #expect(try await log.delete("b") != nil)
        }
        try folder.change(
            """
            ALTER TABLE topics DROP COLUMN end_reason;
            ALTER TABLE topics DROP COLUMN end_time;
            ALTER TABLE topics DROP COLUMN end_last_id;
            ALTER TABLE policies DROP COLUMN remove_ended_after_seconds;
            ALTER TABLE tokens DROP COLUMN stop;
            DELETE FROM grdb_migrations WHERE identifier >= '0004';
            PRAGMA user_version = 3;
            """ + undoTopicBlocks
        )
        let (a, b) = (try filter(["a"]), try filter(["b"]))
        try await folder.withLog { log async throws in
            #expect(log.policies == PolicySet([policy]))
            #expect(log.tokens.token(id: 1)?.grant == token.grant)
            #expect(log.end(of: a) == nil)
            #expect(try log.end(of: b)?.last == end("b", .deleted, at: 0), "deleted long ago")
            #expect(try await log.end("a") != nil)
        }
        #expect(try folder.number("PRAGMA user_version") == 5)
    }
}

extension TopicTable {
    /// How topics have ended that were not deleted, by their numbers.
    var ends: [Int64: TopicEnd] {
        var ends: [Int64: TopicEnd] = [:]
        for row in self.names.indices where self.hasEnded(row) {
            ends[self.numbers[row]] = self.end(row)
        }
        return ends
    }

    /// Which rows stand for deleted topics.
    var deletions: [Bool] { self.names.indices.map { self.isDeleted($0) } }
}
