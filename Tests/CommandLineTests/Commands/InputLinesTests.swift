import Foundation
import Testing
import TickertapeTestSupport

@testable import tickertape

struct InputLinesTests {
    /// All that comes out for what goes in, which is written in pieces.
    private func lines(of pieces: [String], stopped: Bool = false) async throws -> String {
        let pipe = Pipe()
        let lines = InputLines(pipe.fileHandleForReading.fileDescriptor)
        lines.start()
        let writer = Thread {
            for piece in pieces { pipe.fileHandleForWriting.write(Data(piece.utf8)) }
            try? pipe.fileHandleForWriting.close()
        }
        writer.start()
        var all: [UInt8] = []
        while let block = try await lines.next() {
            all += block
            // Whole lines: only the last may lack its end.
            #expect(block.last == UInt8(ascii: "\n") || all.count == pieces.joined().utf8.count)
        }
        return String(decoding: all, as: UTF8.self)
    }

    @Test(
        "Lines come out as they went in",
        arguments: [
            [], [""], ["one\n"], ["one\ntwo"], ["o", "ne\nt", "wo\n", "three"], ["\n\n"],
            [String(repeating: "long ", count: 300_000), "\nshort\n"],
        ]
    )
    func order(pieces: [String]) async throws {
        #expect(try await self.lines(of: pieces) == pieces.joined())
    }

    @Test("A flood of lines is read in bounds and whole")
    func flood() async throws {
        let piece = (0..<20_000).map { "line \($0)\n" }.joined()
        let text = try await self.lines(of: Array(repeating: piece, count: 20))
        #expect(text == String(repeating: piece, count: 20))
    }

    @Test("Lines that were taken are left out of what is sent again")
    func dropping() {
        let lines = Array("a\nb\nc".utf8)[...]
        let left = (0...4).map { LinePublisher.dropLines($0, from: lines) }
        #expect(
            left.map { String(decoding: $0, as: UTF8.self) } == ["a\nb\nc", "b\nc", "c", "", ""]
        )
    }
}
