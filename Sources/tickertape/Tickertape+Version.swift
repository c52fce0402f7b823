extension Tickertape {
    /// Of the program and of what it serves.
    static let version = "0.6.0"
}
