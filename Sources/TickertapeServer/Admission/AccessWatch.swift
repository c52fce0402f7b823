import TickertapeAccess
import TickertapeCore

/// A connection that serves what an access grants, for as long as it lasts.
protocol AccessHolder: AnyObject {
    /// It ends in so many seconds.
    func accessExpires(inSeconds seconds: Int)
    func accessEnded(_ end: AccessEnd)
}

/// Ends the streams of one event loop with what was granted for them.
///
/// Confined to its event loop.
struct AccessWatch {
    private struct Entry {
        let holder: any AccessHolder
        let access: Access
        var isTold = false
    }

    private var entries: [ObjectIdentifier: Entry] = [:]
    /// Those not looked at yet.
    private var added: Set<ObjectIdentifier> = []
    private var generation = 0
    /// Before it nothing ends by itself.
    private var nextMilliseconds = Int64.max
    private let expiringMilliseconds: Int64

    init(limits: Limits) {
        self.expiringMilliseconds = Int64(limits.expiringSeconds) * 1_000
    }

    /// Puts `access` in place of what the holder had.
    mutating func add(_ holder: any AccessHolder, _ access: Access) {
        guard access.canEnd else {
            self.remove(holder)
            return
        }
        self.entries[ObjectIdentifier(holder)] = Entry(holder: holder, access: access)
        self.nextMilliseconds = min(self.nextMilliseconds, self.next(access, isTold: false))
        // It may have ended since it was looked at.
        self.added.insert(ObjectIdentifier(holder))
    }

    mutating func remove(_ holder: any AccessHolder) {
        self.entries[ObjectIdentifier(holder)] = nil
        self.added.remove(ObjectIdentifier(holder))
    }

    private func next(_ access: Access, isTold: Bool) -> Int64 {
        let end = access.expiresMilliseconds
        guard end != .max, !isTold else { return end }
        return end - self.expiringMilliseconds
    }

    enum Due {
        case expires(any AccessHolder, inSeconds: Int)
        case ended(any AccessHolder, AccessEnd)
    }

    /// What is due now; told once.
    mutating func due(_ authenticator: Authenticator, now milliseconds: Int64) -> [Due] {
        let generation = authenticator.generation
        let isAll = generation != self.generation || milliseconds >= self.nextMilliseconds
        guard isAll || !self.added.isEmpty else { return [] }
        if isAll {
            self.generation = generation
            self.nextMilliseconds = .max
        }
        let keys = isAll ? Array(self.entries.keys) : Array(self.added)
        self.added = []
        var due: [Due] = []
        for key in keys {
            guard let entry = self.entries[key] else { continue }
            let access = entry.access
            if let end = authenticator.end(of: access, now: milliseconds) {
                self.entries[key] = nil
                due.append(.ended(entry.holder, end))
                continue
            }
            var isTold = entry.isTold
            if !isTold, milliseconds >= self.next(access, isTold: false) {
                isTold = true
                self.entries[key]?.isTold = true
                let left = access.expiresMilliseconds - milliseconds
                due.append(.expires(entry.holder, inSeconds: Int((left + 999) / 1_000)))
            }
            self.nextMilliseconds = min(self.nextMilliseconds, self.next(access, isTold: isTold))
        }
        return due
    }
}
