import ServiceLifecycle
import TickertapeAccess

/// Has the files of JWT keys read again when they change, for as long as the broker runs.
struct KeyFileService: Service {
    let authenticator: Authenticator

    func run() async {
        await cancelWhenGracefulShutdown { await self.authenticator.watchKeyFiles() }
    }
}
