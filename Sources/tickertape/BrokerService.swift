import Foundation
import ServiceLifecycle
import TickertapeAdmin
import TickertapeLog
import TickertapeServer

/// The broker as a service: runs until it is asked to stop, then drains.
struct BrokerService: Service {
    let server: Server
    let door: AdminDoor
    let log: SQLiteLog
    let readyLine: String

    func run() async throws {
        // Said here, where signals are already caught: whoever reads it may stop the broker.
        FileHandle.standardOutput.write(Data(self.readyLine.utf8))
        try? await gracefulShutdown()
        self.door.drain()
        await self.server.stop()
        // Last, so that operators see the drain; before the log, whose reads it may wait for.
        await self.door.stop()
        self.log.close()
        await self.server.shutdown()
    }
}
