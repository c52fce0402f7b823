import ArgumentParser
import Foundation

/// A command that talks to the door.
protocol DoorCommand: AsyncParsableCommand {
    var door: DoorOptions { get }

    func run(_ client: AdminClient) async throws
}

extension DoorCommand {
    func run() async throws {
        // A closed pipe is an answer of `write` and not the end of the process: terminal and
        // progress are put in order first.
        signal(SIGPIPE, SIG_IGN)
        let client = AdminClient(try self.door.address())
        do {
            try await self.run(client)
        } catch {
            await client.shutdown()
            throw error
        }
        await client.shutdown()
    }
}
