import Crypto

/// The SHA-256 of a credential.
struct CredentialHash: Hashable, Sendable {
    private let words: (UInt64, UInt64, UInt64, UInt64)

    init(_ credential: String) {
        var credential = credential
        var hasher = SHA256()
        credential.withUTF8 { hasher.update(bufferPointer: UnsafeRawBufferPointer($0)) }
        self.words = hasher.finalize().withUnsafeBytes {
            $0.loadUnaligned(as: (UInt64, UInt64, UInt64, UInt64).self)
        }
    }

    var bytes: [UInt8] { withUnsafeBytes(of: self.words) { Array($0) } }

    static func == (left: Self, right: Self) -> Bool { left.words == right.words }

    func hash(into hasher: inout Hasher) {
        // Any of them is as good as random.
        hasher.combine(self.words.0)
    }
}

/// What became of the credentials that were checked last.
///
/// Those that are refused have room of their own: whoever sends many of them pushes out no good one.
struct VerifiedCredentials {
    enum Finding: Sendable {
        /// Its signature is good; the times are looked at whenever it is used.
        case good(Access, notBeforeMilliseconds: Int64)
        case bad(SignedToken.Refusal)
    }

    private var good: RecentValues<CredentialHash, Finding>
    private var bad: RecentValues<CredentialHash, Finding>
    /// Of the keys all of it was found with.
    private var version: Int

    init(countMax: Int, version: Int) {
        self.good = RecentValues(countMax: countMax - countMax / 4)
        self.bad = RecentValues(countMax: countMax / 4)
        self.version = version
    }

    var count: Int { self.good.count + self.bad.count }

    // What was found with other keys than those of `version`, which are in force, is forgotten.
    mutating func finding(_ hash: CredentialHash, version: Int) -> Finding? {
        self.move(to: version)
        return self.good.value(hash) ?? self.bad.value(hash)
    }

    /// Keeps what was found with the keys of `version`, unless there are newer ones.
    mutating func keep(_ finding: Finding, for hash: CredentialHash, version: Int) {
        guard version >= self.version else { return }
        self.move(to: version)
        switch finding {
        case .good: self.good.put(finding, for: hash)
        case .bad: self.bad.put(finding, for: hash)
        }
    }

    private mutating func move(to version: Int) {
        guard version > self.version else { return }
        self.good.removeAll()
        self.bad.removeAll()
        self.version = version
    }
}

/// The values that were asked for last, in two halves: when the newer is full, the older goes.
///
/// So each step costs the same, and what is in use stays.
struct RecentValues<Key: Hashable, Value> {
    private let halfMax: Int
    private var newer: [Key: Value] = [:]
    private var older: [Key: Value] = [:]

    init(countMax: Int) {
        self.halfMax = max(1, countMax / 2)
    }

    var count: Int { self.newer.count + self.older.count }

    mutating func value(_ key: Key) -> Value? {
        if let value = self.newer[key] { return value }
        guard let value = self.older.removeValue(forKey: key) else { return nil }
        self.put(value, for: key)
        return value
    }

    mutating func put(_ value: Value, for key: Key) {
        if self.newer.count >= self.halfMax, self.newer[key] == nil {
            self.older = self.newer
            self.newer = [:]
        }
        self.newer[key] = value
    }

    mutating func removeAll() {
        self.newer = [:]
        self.older = [:]
    }
}
