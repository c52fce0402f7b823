import ArgumentParser
import Foundation
import Testing

@testable import tickertape

struct DoorOptionsTests {
    private func address(
        _ arguments: [String],
        _ environment: [String: String] = [:]
    ) throws -> DoorAddress {
        try DoorOptions.parse(arguments).address(environment: environment)
    }

    @Test("An option goes before the environment, and a URL before a folder")
    func precedence() throws {
        #expect(try self.address([]) == .dataDirectory("./tickertape-data"))
        let folder = ["TICKERTAPE_DATA_DIR": "/srv/a"]
        #expect(try self.address([], folder) == .dataDirectory("/srv/a"))
        #expect(try self.address(["--data-dir", "b"], folder) == .dataDirectory("b"))
        let both = folder.merging(
            ["TICKERTAPE_URL": "http://h:1/", "TICKERTAPE_ADMIN_TOKEN": "t"]
        ) { $1 }
        #expect(try self.address([], both) == .remote(url: "http://h:1", token: "t"))
        #expect(try self.address(["--data-dir", "b"], both) == .dataDirectory("b"))
        #expect(
            try self.address(["--url", "https://x", "--token", "u"], both)
                == .remote(url: "https://x", token: "u")
        )
        #expect(
            try self.address([], ["TICKERTAPE_DATA_DIR": ""]) == .dataDirectory("./tickertape-data")
        )
    }

    @Test("A token comes from a file without the end of its line")
    func tokenFile() throws {
        let file = FileManager.default.temporaryDirectory
            .appending(path: "token-\(UUID().uuidString)")
        try Data("secret\n".utf8).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        let expected = DoorAddress.remote(url: "http://h", token: "secret")
        #expect(try self.address(["--url", "http://h", "--token-file", file.path]) == expected)
        let named = ["TICKERTAPE_ADMIN_TOKEN_FILE": file.path, "TICKERTAPE_URL": "http://h"]
        #expect(try self.address([], named) == expected)
    }

    @Test(
        "What makes no sense is refused",
        arguments: [
            ["--url", "http://h", "--data-dir", "d"], ["--data-dir", "d", "--token", "t"],
            ["--token", "t"], ["--url", "localhost:1868"], ["--url", "ftp://h"],
            ["--url", "http://user:secret@h"], ["--url", "http://h?x=1"], ["--url", ""],
            ["--url", "http://h", "--token", "two words"], ["--url", "http://h", "--token", ""],
            ["--url", "http://h", "--token", "t", "--token-file", "f"],
            ["--url", "http://h", "--token-file", "/nonexistent"],
        ]
    )
    func refused(arguments: [String]) {
        let error = #expect(throws: (any Error).self) { try self.address(arguments) }
        #expect(!String(describing: error).contains("secret"))
    }

    @Test("Where the broker is, is found in a line that is still being typed")
    func completion() {
        let line = [
            "tickertape", "topic", "show", "--data-dir", "d", "--url=u", "--json", "a", "--token",
        ]
        #expect(TopicCompletion.doorArguments(in: line) == ["--data-dir", "d", "--url=u"])
    }

    @Test("A topic is one segment of a path")
    func segments() {
        let request = DoorRequest(
            .get,
            ["topics", "a/ü b%", "policy"],
            query: [("x", "1&2"), ("y", nil)]
        )
        #expect(request.target == "/v1/topics/a%2F%C3%BC%20b%25/policy?x=1%262")
        #expect(request.line == "GET /v1/topics/a%2F%C3%BC%20b%25/policy")
    }
}
