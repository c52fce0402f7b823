import NIOCore

/// Who is at the other end of a connection.
struct Peer {
    let address: IPAddress?
    /// Whether it came by TLS.
    let isSecure: Bool
    /// Of its address.
    let share: ClientShare
    /// Whether its address has too many connections with this one.
    var isOverBound = false

    /// Counts a connection for as long as it is open.
    static func connected(_ channel: any Channel, isSecure: Bool, _ shares: FairShares) -> Peer {
        let address = channel.remoteAddress.flatMap { IPAddress($0) }
        let share = shares.share(of: address)
        let isOverBound = share.connected()
        channel.closeFuture.whenComplete { _ in share.disconnected() }
        return Peer(address: address, isSecure: isSecure, share: share, isOverBound: isOverBound)
    }
}
