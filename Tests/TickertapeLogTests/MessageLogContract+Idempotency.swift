import Testing
import TickertapeCore
import TickertapeLog
import TickertapeTestSupport

/// What every log promises about keys that make a retry safe.
extension MessageLogContract {
    static func repeats(_ log: any MessageLog) async throws {
        let told = Told()
        told.listen(to: log)
        let first = try draft("a", "data", event: "ev", key: "k", once: "one")
        #expect(await log.append(first) == [.stored(id: 1)])
        #expect(await log.append(first) == [.alreadyStored(id: 1)])
        let others = [
            try draft("a", "data!", event: "ev", key: "k", once: "one"),
            try draft("a", "data", event: "eV", key: "k", once: "one"),
            try draft("a", "data", event: nil, key: "k", once: "one"),
            try draft("a", "data", event: "ev", key: "K", once: "one"),
            try draft("a", "data", event: "ev", key: nil, once: "one"),
            try draft("a", "kdata", event: "ev", key: nil, once: "one"),
            try draft("a", "data", event: "evk", key: nil, once: "one"),
            Draft(
                topic: try TopicName("a"),
                event: "ev",
                key: "k",
                data: "data",
                idempotencyKey: "one",
                end: .withMessage
            ),
        ]
        for other in others { #expect(await log.append(other) == [.idempotencyKeyReused]) }
        #expect(log.head == 1)
        #expect(told.events == [.batch([1])], "a repeat is no batch")
        // Without a key, with another key, and in another topic it is another message.
        let anew = [
            try draft("a", "data", event: "ev", key: "k"),
            try draft("a", "data", event: "ev", key: "k", once: "One"),
            try draft("b", "data", event: "ev", key: "k", once: "one"),
        ]
        for (id, draft) in zip(Int64(2)..., anew) {
            #expect(await log.append(draft) == [.stored(id: id)])
        }
        #expect(await log.append(first) == [.alreadyStored(id: 1)], "the key keeps its message")
    }

    static func overlappingRepeats(_ log: any MessageLog) async throws {
        let told = Told()
        told.listen(to: log)
        let one = try draft("a", "data", once: "one")
        let other = try draft("a", "other", once: "one")
        let results = await log.append([one, try draft("b"), one, other])
        #expect(
            results == [
                .stored(id: 1), .stored(id: 2), .alreadyStored(id: 1), .idempotencyKeyReused,
            ]
        )
        #expect(told.events == [.batch([1, 2])])
        let stored = try await withThrowingTaskGroup(of: [AppendResult].self) { group in
            for number in 0..<40 {
                let draft = try draft("c", "same", once: "key \(number % 4)")
                group.addTask { await log.append(draft) }
            }
            var stored: [Int64] = []
            for try await results in group { stored += results.compactMap(\.storedID) }
            return stored
        }
        #expect(stored.count == 4, "of several with one key, one is stored")
    }

    static func unusualKeys(_ log: any MessageLog) async throws {
        let keys = [" ", "'", "\"", "%", "1", "01", "1.0", String(repeating: "~", count: 255)]
        for (id, key) in zip(Int64(1)..., keys) {
            let draft = try draft("a", "x", once: key)
            #expect(await log.append(draft) == [.stored(id: id)], "\(key)")
            #expect(await log.append(draft) == [.alreadyStored(id: id)], "\(key)")
        }
    }
}
