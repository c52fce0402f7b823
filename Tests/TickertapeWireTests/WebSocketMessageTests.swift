import NIOCore
import Testing
import TickertapeCore
import TickertapeWire

struct WebSocketMessageTests {
    @Test("Hello says what the connection can count on")
    func hello() {
        var hello = WebSocketMessage.Hello(
            head: 1_043,
            heartbeatSeconds: 15,
            messageBytesMax: 1_048_576,
            commandBytesMax: 6_356_992,
            topicsMax: 128,
            tailMax: 1_000,
            subscriptionsMax: 127,
            unansweredPublishesMax: 126
        )
        #expect(
            written { WebSocketMessage.write(hello, into: &$0) }
                == #"{"type":"hello","version":1,"head":1043,"heartbeat_seconds":15,"limits":"#
                + #"{"message_bytes":1048576,"command_bytes":6356992,"topics":128,"tail":1000,"#
                + #""subscriptions":127,"unanswered_publishes":126}}"#
        )
        hello.heartbeatSeconds = 0.25
        let text = written { WebSocketMessage.write(hello, into: &$0) }
        #expect(text.contains(#""heartbeat_seconds":0.25,"#))
    }

    @Test("A message has the fields of history after its subscription")
    func messages() throws {
        let bare = try message(data: "x\n\"")
        #expect(
            written { WebSocketMessage.write(bare, for: "ro\"oms", into: &$0) }
                == #"{"type":"message","subscription":"ro\"oms","id":1043,"topic":"stocks/AAPL","#
                + #""time":"2026-01-02T09:30:00.125Z","data":"x\n\""}"#
        )
        let full = try message(event: "trade", key: "k\\", data: "")
        #expect(
            written { WebSocketMessage.write(full, for: "1", into: &$0) }
                == #"{"type":"message","subscription":"1","id":1043,"topic":"stocks/AAPL","#
                + #""time":"2026-01-02T09:30:00.125Z","event":"trade","key":"k\\","data":""}"#
        )
        let start = written { WebSocketMessage.writeStart(for: "1", into: &$0) }
        let tail = written { WebSocketMessage.writeTail(of: full, into: &$0) }
        #expect(start == #"{"type":"message","subscription":"1""#)
        #expect(start + tail == written { WebSocketMessage.write(full, for: "1", into: &$0) })
    }

    @Test("What else a subscription gets names it first")
    func marks() throws {
        let gap = Gap(after: 41, resumed: 900, reason: .retention, cursor: 899)
        #expect(
            written { WebSocketMessage.write(gap, for: "rooms", into: &$0) }
                == #"{"type":"gap","subscription":"rooms","after":41,"resumed":900,"#
                + #""reason":"retention"}"#
        )
        let unknown = Gap(after: nil, resumed: 900, reason: .unknown, cursor: 899)
        #expect(
            written { WebSocketMessage.write(unknown, for: "é", into: &$0) }
                == #"{"type":"gap","subscription":"é","after":null,"resumed":900,"#
                + #""reason":"unknown"}"#
        )
        #expect(
            written { WebSocketMessage.writeCaughtUp(7, for: "1", into: &$0) }
                == #"{"type":"caught_up","subscription":"1","id":7}"#
        )
        #expect(
            written { WebSocketMessage.writeCursor(7, for: "1", into: &$0) }
                == #"{"type":"cursor","subscription":"1","id":7}"#
        )
        #expect(
            written { WebSocketMessage.writeDraining(retryMilliseconds: 2_312, into: &$0) }
                == #"{"type":"draining","retry_after_ms":2312}"#
        )
        let topic = try TopicName("a/b")
        let ends = TopicEnd.Reason.allCases.map {
            TopicEnd(topic: topic, reason: $0, lastID: 0, timeMilliseconds: 5)
        }
        #expect(
            ends.map { end in
                written { WebSocketMessage.write(end, for: "rooms", into: &$0) }
            }
                == [
                    #""ended","last_id":0}"#, #""stopped","last_id":0}"#, #""deleted"}"#,
                ].map { #"{"type":"end","subscription":"rooms","topic":"a/b","reason":"# + $0 }
        )
    }

    @Test("A reply echoes the ref first, or leaves it out")
    func refs() {
        for (ref, start) in [
            (nil, "{"), (.number(-4), #"{"ref":-4,"#), (.number(.max), #"{"ref":\#(Int64.max),"#),
            (.text(""), #"{"ref":"","#), (.text("a\"\u{0}é"), #"{"ref":"a\"\u0000é","#),
        ] as [(WebSocketRef?, String)] {
            let pong = written { WebSocketMessage.writePong(ref: ref, into: &$0) }
            #expect(pong == start + #""type":"pong"}"#)
        }
    }

    @Test("Replies are those of the protocol")
    func replies() throws {
        let ref = WebSocketRef.number(2)
        let topic = try TopicName("chat/room-1")
        let published = { (isRepeated: Bool) in
            written {
                WebSocketMessage.writePublished(
                    1_044,
                    topic: topic,
                    isRepeated: isRepeated,
                    ref: ref,
                    into: &$0
                )
            }
        }
        #expect(
            published(false) == #"{"ref":2,"type":"published","id":1044,"topic":"chat/room-1"}"#
        )
        #expect(
            published(true)
                == #"{"ref":2,"type":"published","id":1044,"topic":"chat/room-1","repeated":true}"#
        )
        #expect(
            written {
                WebSocketMessage.writePublished(
                    1_044,
                    topic: topic,
                    isRepeated: true,
                    hasEnded: true,
                    ref: nil,
                    into: &$0
                )
            } == #"{"type":"published","id":1044,"topic":"chat/room-1","repeated":true,"#
                + #""ended":true}"#
        )
        let end = TopicEnd(topic: topic, reason: .stopped, lastID: 7, timeMilliseconds: 0)
        #expect(
            written { WebSocketMessage.writeStopped(end, ref: ref, into: &$0) }
                == #"{"ref":2,"type":"stopped","topic":"chat/room-1","reason":"stopped","#
                + #""last_id":7}"#
        )
        #expect(
            written {
                WebSocketMessage.writeSubscribed("rooms", head: 1_043, ref: ref, into: &$0)
            } == #"{"ref":2,"type":"subscribed","subscription":"rooms","head":1043}"#
        )
        #expect(
            written { WebSocketMessage.writeUnsubscribed("rooms", ref: nil, into: &$0) }
                == #"{"type":"unsubscribed","subscription":"rooms"}"#
        )
    }

    @Test("An error has the code and detail of its problem, and when to retry")
    func errors() {
        let problem = Problem(.invalidTopic, "say \"why\"")
        #expect(
            written { WebSocketMessage.write(problem, ref: .number(2), into: &$0) }
                == #"{"ref":2,"type":"error","code":"invalid_topic","detail":"say \"why\""}"#
        )
        let full = Problem(.queueFull, "full", retryAfterSeconds: 1)
        #expect(
            written { WebSocketMessage.write(full, ref: nil, into: &$0) }
                == #"{"type":"error","code":"queue_full","detail":"full","retry_after_seconds":1}"#
        )
    }
}
