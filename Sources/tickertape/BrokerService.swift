import Foundation
import ServiceLifecycle
import TickertapeLog
import TickertapeServer

/// The broker as a service: runs until it is asked to stop, then drains.
struct BrokerService: Service {
    let server: Server
    let log: SQLiteLog
    let readyLine: String

    func run() async throws {
        // Said here, where signals are already caught: whoever reads it may stop the broker.
        FileHandle.standardOutput.write(Data(self.readyLine.utf8))
        try? await gracefulShutdown()
        await self.server.stop()
        self.log.close()
        await self.server.shutdown()
    }
}
