import NIOCore

/// An IPv4 or IPv6 address as bytes; one of IPv4 that travels in IPv6 is of IPv4.
package struct IPAddress: Hashable, Sendable {
    /// 4 or 16.
    let bytes: [UInt8]

    /// Takes what `inet_pton` takes: four decimals, or hexadecimal groups; no name, no brackets.
    package init?(_ text: some StringProtocol) {
        guard let address = try? SocketAddress(ipAddress: String(text), port: 0) else { return nil }
        self.init(address)
    }

    /// Nothing for what is no IP address, as a Unix socket.
    init?(_ address: SocketAddress) {
        // Behind the family and the port, and with IPv6 the flow (netinet/in.h of Linux).
        let place: Range<Int>
        switch address {
        case .v4: place = 4..<8
        case .v6: place = 8..<24
        case .unixDomainSocket: return nil
        }
        let bytes = address.withSockAddr { pointer, size in
            Array(UnsafeRawBufferPointer(start: pointer, count: size)[place])
        }
        let isMapped =
            bytes.count == 16 && bytes[..<10].allSatisfy { $0 == 0 }
            && bytes[10...11] == [255, 255]
        self.bytes = isMapped ? Array(bytes[12...]) : bytes
    }

    package var isLoopback: Bool {
        self.bytes.count == 4
            ? self.bytes[0] == 127
            : self.bytes.dropLast().allSatisfy { $0 == 0 } && self.bytes.last == 1
    }

    /// What stands for one client: an IPv6 site has 2^64 addresses.
    var network: [UInt8] { self.bytes.count == 4 ? self.bytes : Array(self.bytes[..<8]) }
}

/// Addresses with the same first bits: `10.0.0.0/8`, `fd00::/8`, or one address.
package struct AddressBlock: Hashable, Sendable {
    private let bytes: [UInt8]
    private let bitCount: Int

    /// - Returns: Nothing when it is none; bits behind the prefix must be 0.
    package init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard (1...2).contains(parts.count), let address = IPAddress(parts[0]) else { return nil }
        let bitsMax = address.bytes.count * 8
        guard parts.count == 1 || parts[1].utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            let bitCount = parts.count == 1 ? bitsMax : Int(parts[1]), bitCount <= bitsMax
        else { return nil }
        self.bytes = address.bytes
        self.bitCount = bitCount
        let isClean = (bitCount..<bitsMax).allSatisfy { bit in
            let mask: UInt8 = 0x80 >> UInt8(bit % 8)
            return address.bytes[bit / 8] & mask == 0
        }
        guard isClean else { return nil }
    }

    func contains(_ address: IPAddress) -> Bool {
        guard address.bytes.count == self.bytes.count else { return false }
        let whole = self.bitCount / 8
        guard address.bytes[..<whole] == self.bytes[..<whole] else { return false }
        let left = self.bitCount % 8
        return left == 0 || (address.bytes[whole] ^ self.bytes[whole]) >> (8 - left) == 0
    }
}
