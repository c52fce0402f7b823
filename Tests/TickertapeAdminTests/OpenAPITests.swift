import Foundation
import HTTPTypes
import Logging
import NIOCore
import NIOPosix
import Testing
import TickertapeBroker
import TickertapeCore
import TickertapeLog
import TickertapeTestSupport
import TickertapeWire

@testable import TickertapeAdmin

struct OpenAPITests {
    private func document() throws -> [String: Any] {
        let bytes = Data(PackageResources.openapi_json)
        return try #require(try JSONSerialization.jsonObject(with: bytes) as? [String: Any])
    }

    private func table() throws -> (RouteTable, close: () -> Void) {
        let folder = try TemporaryFolder()
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let log = try SQLiteLog(dataDirectory: folder.path, limits: Limits(), logger: logger)
        let group = MultiThreadedEventLoopGroup.singleton
        let broker = Broker(log: log, eventLoops: [group.next()], limits: Limits())
        let sampler = Sampler(
            log: log,
            broker: broker,
            connections: { 0 },
            metrics: BrokerMetrics(version: "0", startedMilliseconds: 0, isWritable: { true })
        )
        let table = RouteTable(
            AdminBackend(
                log: log,
                broker: broker,
                sampler: sampler,
                limits: Limits(),
                identity: .init(
                    version: "0",
                    startedMilliseconds: 0,
                    address: "",
                    dataDirectory: folder.path
                ),
                connections: { 0 },
                streams: OpenStreams(countMax: 1),
                isDraining: { false },
                signal: { _ in nil },
                metrics: { ByteBuffer() }
            )
        )
        return (table, { log.close() })
    }

    @Test("Every route stands in the document, and nothing else does")
    func routes() throws {
        let (table, close) = try self.table()
        defer { close() }
        let served = table.routes.map { "\($0.method.rawValue) \($0.path)" }
        let paths = try #require(try self.document()["paths"] as? [String: [String: Any]])
        let described = paths.flatMap { path, item in
            item.keys.filter { $0 != "parameters" }.map { "\($0.uppercased()) \(path)" }
        }
        #expect(served.sorted() == described.sorted())
        #expect(Set(served).count == served.count)
    }

    @Test("Every code that the document names is one, and those of operators are all named")
    func codes() throws {
        let components = try #require(try self.document()["components"] as? [String: Any])
        let responses = try #require(components["responses"] as? [String: [String: Any]])
        let named = Set(
            responses.values.compactMap { $0["description"] as? String }.flatMap { text in
                text.matches(of: /`([a-z0-9_]+)`/).map { String($0.1) }
            }
        )
        let own = Set(AdminProblem.Code.allCases.map(\.rawValue))
        let all = own.union(Problem.Code.allCases.map(\.rawValue))
        #expect(named.subtracting(all).subtracting(["Host", "Origin"]) == [])
        #expect(
            own.subtracting(named) == ["internal_error"],
            "what must not happen is not promised"
        )
    }

    @Test("What operators alone meet has codes and titles of its own")
    func titles() {
        let own = AdminProblem.Code.allCases
        let others = Problem.Code.allCases
        #expect(Set(own.map(\.rawValue)).isDisjoint(with: others.map(\.rawValue)))
        #expect(Set(own.map(\.title) + others.map(\.title)).count == own.count + others.count)
        for code in own { #expect(AdminProblem(code, "x").status == code.status) }
    }
}
