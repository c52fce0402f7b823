extension TopicPattern {
    /// Whether this pattern stands for every topic that `other` stands for.
    package func covers(_ other: TopicPattern) -> Bool {
        if let topic = other.topic { return self.matches(topic) }
        let separator = UInt8(ascii: "/")
        var rest = self.text.utf8.split(separator: separator)[...]
        var otherRest = other.text.utf8.split(separator: separator)[...]
        while let level = rest.popFirst() {
            // One level or more, whatever they are.
            if level.elementsEqual("**".utf8) { return !otherRest.isEmpty }
            guard let otherLevel = otherRest.popFirst(), !otherLevel.elementsEqual("**".utf8)
            else { return false }
            guard level.elementsEqual("*".utf8) || level.elementsEqual(otherLevel) else {
                return false
            }
        }
        return otherRest.isEmpty
    }
}
