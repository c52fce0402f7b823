import Hummingbird

extension RouteTable {
    /// Every route of the door.
    init(_ backend: AdminBackend) {
        self.addPages(backend)
        self.addStatus(backend)
        self.addTopics(backend)
        self.addPublishing(backend)
        self.addReading(backend)
        self.addPolicies(backend)
        self.addSubscribers(backend)
        self.addTokens(backend)
    }
}
