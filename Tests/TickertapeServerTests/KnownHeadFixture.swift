import NIOCore
import NIOEmbedded
import TickertapeCore
import TickertapeLog
import TickertapeTestSupport

@testable import TickertapeServer

/// Counts the bytes that reach the decoder.
final class ByteCounter: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private(set) var bytes = 0

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        self.bytes += self.unwrapInboundIn(data).readableBytes
        context.fireChannelRead(data)
    }
}

extension ConnectionFixture {
    /// From now on every byte goes through the decoder.
    func removeShortcut() throws {
        let pipeline = self.channel.pipeline.syncOperations
        let context = try pipeline.context(handlerType: KnownHeadHandler.self)
        pipeline.removeHandler(context: context, promise: nil)
    }

    /// Counts what the shortcut leaves to the decoder.
    func countDecoded() throws -> ByteCounter {
        let pipeline = self.channel.pipeline.syncOperations
        let counter = ByteCounter()
        let shortcut = try pipeline.handler(type: KnownHeadHandler.self)
        try pipeline.addHandler(counter, position: .after(shortcut))
        return counter
    }

    /// What the log has, a line for each message.
    var logged: [String] { self.log.messages.map { "\($0.id) \($0.topic) \($0.data)" } }
}

/// What a test does to a connection.
enum Act: Sendable {
    /// What one read brings.
    case read([UInt8])
    /// The log commits and everything is answered that can be.
    case run
    /// The peer reads answers or does not.
    case writable(Bool)
    case drain
    case halfClose

    static func read(_ text: String...) -> Act { .read(Array(text.joined().utf8)) }
}

/// What a connection has done in the end.
struct Outcome: Equatable, CustomStringConvertible {
    /// All that was answered but for its dates, byte for byte.
    let sent: String
    let logged: [String]
    let isOpen: Bool

    init(_ acts: [Act], _ fixture: ConnectionFixture) throws {
        for act in acts {
            switch act {
            // What is read behind the end of a connection is nobody's.
            case .read(let bytes): try? fixture.send(bytes)
            case .run: fixture.run()
            case .writable(let isWritable):
                fixture.channel.isWritable = isWritable
                fixture.channel.pipeline.fireChannelWritabilityChanged()
            case .drain: fixture.server.drain()
            case .halfClose:
                fixture.channel.pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
            }
        }
        fixture.run()
        self.sent = try fixture.sent().replacing(/Date: [^\r]*\r\n/, with: "")
        self.logged = fixture.logged
        self.isOpen = fixture.channel.isActive
    }

    /// The status of each answer.
    var statuses: [Int] {
        self.sent.matches(of: #/HTTP/1\.1 (\d\d\d) /#).map { Int($0.1) ?? 0 }
    }

    /// The data of each message in the log.
    var stored: [String] {
        self.logged.map { $0.split(separator: " ", maxSplits: 2, omittingEmptySubsequences: false) }
            .map { String($0[2]) }
    }

    var description: String {
        "\(self.sent.debugDescription)\n\(self.logged) \(self.isOpen ? "open" : "closed")"
    }
}
