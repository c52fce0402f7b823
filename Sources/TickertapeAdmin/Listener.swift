import Hummingbird
import HummingbirdCore
import Logging
import NIOCore
import ServiceLifecycle
import Synchronization
import TickertapeCore

/// One Hummingbird application, run until its task is cancelled.
struct Listener: Sendable {
    let address: BindAddress
    let responder: DoorResponder
    let limits: Limits
    let group: any EventLoopGroup
    let logger: Logger

    /// What was started.
    struct Running: Sendable {
        let channel: any Channel
        fileprivate let service: ServiceGroup
        fileprivate let task: Task<Void, Never>

        /// Stops accepting, ends streams and idle connections, and waits until what is being
        /// answered is answered; what still is after some seconds is cut off.
        func stop() async {
            await self.service.triggerGracefulShutdown()
            let task = self.task
            let deadline = Task {
                try await Task.sleep(for: .seconds(Listener.stopSeconds))
                task.cancel()
            }
            await task.value
            deadline.cancel()
        }
    }

    /// Seconds a request may go on when the door closes.
    static let stopSeconds = 1.5

    /// Starts listening.
    ///
    /// - Throws: What the system says when the address cannot be used.
    func start() async throws -> Running {
        let (started, said) = AsyncThrowingStream<any Channel, any Error>.makeStream()
        // Hummingbird says what it listens on by itself; we say it in our words.
        var quiet = self.logger
        quiet.logLevel = max(quiet.logLevel, .notice)
        var decoder = HTTP1Channel.Configuration.DecoderConfiguration()
        decoder.maxHeaderFieldSize = self.limits.headBytesMax
        decoder.maxHeaderListSize = self.limits.headBytesMax
        decoder.maxHeaderFieldCount = self.limits.headerFieldsMax
        let (requestGuard, limits) = (self.responder.requestGuard, self.limits)
        let places = DoorPlaces(
            countMax: limits.adminConnectionsMax,
            knowsEverybody: requestGuard.knowsEverybody
        )
        let application = Application(
            responder: self.responder,
            server: .http1(
                configuration: .init(
                    additionalChannelHandlers: [ConnectionRules(requestGuard, places, limits)],
                    idleTimeout: .seconds(Int64(self.limits.adminIdleSeconds)),
                    httpDecoderConfiguration: decoder
                )
            ),
            configuration: .init(
                address: self.address,
                serverName: nil,
                availableConnectionsDelegate: places
            ),
            onServerRunning: { channel in
                said.yield(channel)
                said.finish()
            },
            eventLoopGroupProvider: .shared(self.group),
            logger: quiet
        )
        // Detached: when the broker is told to stop, the door stays open until it has drained.
        let service = ServiceGroup(
            configuration: .init(services: [application], logger: quiet)
        )
        let task = Task<Void, Never>.detached {
            do {
                try await service.run()
                said.finish()
            } catch {
                said.finish(throwing: error)
            }
        }
        for try await channel in started {
            return Running(channel: channel, service: service, task: task)
        }
        throw AdminDoorError("it has ended at once")
    }
}
