import AsyncHTTPClient
import Foundation
import NIOCore
import NIOPosix

/// What went wrong at the door, said so that one knows what to do.
enum DoorSentence {
    static func noPermission(_ directory: String) -> CommandFailure {
        CommandFailure(
            "no permission to talk to the broker on \(printable(directory)); "
                + "run this as the user that runs the broker, or use --url with a token",
            .unreachable
        )
    }

    /// The sentence for an error below HTTP.
    static func describe(_ error: any Error, _ address: DoorAddress) -> any Error {
        if error is CommandFailure || error is OutputClosed || error is CancellationError {
            return error
        }
        let name = Self.name(of: address)
        if let error = error as? HTTPClientError {
            switch error {
            case .connectTimeout:
                return CommandFailure("\(name) cannot be reached: it does not answer", .unreachable)
            case .readTimeout, .deadlineExceeded:
                return CommandFailure("\(name) took the request but did not answer", .unreachable)
            case .remoteConnectionClosed:
                return CommandFailure("\(name) broke the connection: it has stopped", .unreachable)
            case .invalidURL, .emptyHost:
                return CommandFailure("\(name) is no address that can be called", .usage)
            default: break
            }
        }
        switch (address, Self.errorNumber(of: error)) {
        case (.dataDirectory(let directory), ECONNREFUSED):
            let shown = printable(directory)
            return CommandFailure(
                "no broker is running on \(shown) (its \(DoorAddress.socketName) was left behind); "
                    + "start one with: tickertape serve --data-dir \(shown)",
                .unreachable
            )
        case (.dataDirectory(let directory), ENOENT):
            let shown = printable(directory)
            return CommandFailure(
                "no broker is running on \(shown) (there is no \(DoorAddress.socketName)); "
                    + "start one with: tickertape serve --data-dir \(shown)",
                .unreachable
            )
        case (.dataDirectory(let directory), EACCES), (.dataDirectory(let directory), EPERM):
            return Self.noPermission(directory)
        case (.remote, ECONNREFUSED):
            return CommandFailure(
                "\(name) refuses connections; is the broker running with --admin-listen?",
                .unreachable
            )
        case (_, let number?):
            let reason = systemWords(number)
            return CommandFailure("\(name) cannot be reached: \(reason)", .unreachable)
        case (_, nil):
            if let error = error as? NIOConnectionError,
                error.dnsAError != nil || error.dnsAAAAError != nil
            {
                return CommandFailure(
                    "\(name) cannot be reached: there is no host \(printable(error.host))",
                    .unreachable
                )
            }
            if isTLS(error) { return CommandFailure("\(name): \(words(for: error))", .unreachable) }
            return CommandFailure("\(name) cannot be reached: \(words(for: error))", .unreachable)
        }
    }

    /// Whether nothing of the request can have reached a broker: it may be sent again.
    static func isBeforeSending(_ error: any Error) -> Bool {
        if let failure = error as? CommandFailure { return failure.exitCode == .unreachable }
        if error is NIOConnectionError { return true }
        guard let number = Self.errorNumber(of: error) else { return false }
        return number == ECONNREFUSED || number == ENOENT
    }

    private static func errorNumber(of error: any Error) -> Int32? {
        if let error = error as? IOError { return error.errnoCode }
        guard let error = error as? NIOConnectionError else { return nil }
        return error.connectionErrors.lazy.compactMap { ($0.error as? IOError)?.errnoCode }.first
    }

    static func name(of address: DoorAddress) -> String {
        switch address {
        case .dataDirectory(let directory): "the broker on \(printable(directory))"
        case .remote(let url, _): printable(url)
        }
    }
}
