import Foundation
import Logging
import ServiceLifecycle
import TickertapeAccess
import TickertapeAdmin
import TickertapeLog
import TickertapeServer
import UnixSignals

/// The broker as a service: runs until it is asked to stop, then drains.
struct BrokerService: Service {
    let server: Server
    let door: AdminDoor
    let log: SQLiteLog
    let authenticator: Authenticator
    let readyLine: String
    let logger: Logger

    func run() async throws {
        let hangUps = await UnixSignalsSequence(trapping: .sighup)
        let reloading = Task { for await _ in hangUps { self.reload() } }
        defer { reloading.cancel() }
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

    /// What SIGHUP asks for: files that were changed are read again.
    private func reload() {
        let hasCertificate = self.server.reload()
        let hasKeys = self.authenticator.reload()
        if !hasCertificate && !hasKeys { self.logger.notice("nothing to reload") }
    }
}
