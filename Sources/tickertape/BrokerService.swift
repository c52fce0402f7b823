import ServiceLifecycle
import TickertapeLog
import TickertapeServer

/// The broker as a service: runs until it is asked to stop, then drains.
struct BrokerService: Service {
    let server: Server
    let log: SQLiteLog

    func run() async throws {
        try? await gracefulShutdown()
        await self.server.stop()
        self.log.close()
        await self.server.shutdown()
    }
}
