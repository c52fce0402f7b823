import Crypto
import TickertapeCore

extension Draft {
    /// SHA-256 over event, key and data, each with its length so that none runs into the next, and
    /// over the end of the topic where it is one.
    var contentDigest: [UInt8] {
        var hash = SHA256()
        for part in [self.event, self.key, self.data] {
            var length = part.map { Int64($0.utf8.count) } ?? -1
            withUnsafeBytes(of: &length) { hash.update(bufferPointer: $0) }
            var text = part ?? ""
            text.withUTF8 { hash.update(bufferPointer: UnsafeRawBufferPointer($0)) }
        }
        // Nothing for all others: what was stored before there were ends stays as it is.
        if self.end == .withMessage { hash.update(data: [1]) }
        return Array(hash.finalize())
    }
}
