import AsyncHTTPClient
import Foundation
import NIOCore

/// What an error of the system, of SwiftNIO or of the HTTP client says, as part of a sentence.
///
/// Their own descriptions name functions, types and the files of whoever compiled them.
func words(for error: any Error) -> String {
    switch error {
    case let error as IOError: return systemWords(error.errnoCode)
    case let error as SocketAddressError.UnknownHost:
        return "there is no host '\(printable(error.host))'"
    case let error as HTTPClientError: return printable(error.shortDescription)
    case let error as ChannelError:
        if case .connectTimeout = error { return "it does not answer" }
        return "the connection broke"
    default: break
    }
    let text = String(describing: error)
    if isTLS(error) { return tlsWords(text) }
    return printable(tidied(text))
}

func systemWords(_ number: Int32) -> String { String(cString: strerror(number)) }

/// Whether TLS is what failed; its library is one of the HTTP client's own and is not known here.
func isTLS(_ error: any Error) -> Bool {
    let type = String(reflecting: Swift.type(of: error))
    return type.contains("NIOSSL") || type.contains("BoringSSL")
}

private func tlsWords(_ text: String) -> String {
    if text.contains("WRONG_VERSION_NUMBER") || text.contains("HTTP_REQUEST") {
        return "it does not speak TLS; use http://"
    }
    if text.contains("CERTIFICATE_VERIFY_FAILED") { return "its certificate is not trusted" }
    if text.contains("failedToValidateHostname") {
        return "its certificate is for another host"
    }
    return "TLS could not be agreed on"
}

/// A sentence of ours that ends in what the system said, without the function that was called.
func tidied(_ text: String) -> String {
    let call = /[A-Za-z]+\([A-Za-z_:]*\): ([^()]+)\)? \(errno: [0-9]+\)\)?/
    let lookup = /SocketAddressError\.UnknownHost: (.+) \(error -?[0-9]+\) for host .+/
    return text.replacing(call) { String($0.output.1) }
        .replacing(lookup) { String($0.output.1) }
}
