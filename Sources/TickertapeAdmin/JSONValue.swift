import Foundation
import NIOCore
import TickertapeWire

/// JSON as it came, before anybody knows whether it is what a request takes.
enum JSONValue: Decodable, Equatable {
    case null
    case bool(Bool)
    case integer(Int64)
    case number(Double)
    case string(String)
    case array([JSONValue])
    case object([String: JSONValue])

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .null
        } else if let value = try? container.decode(String.self) {
            self = .string(value)
        } else if let value = try? container.decode(Bool.self) {
            self = .bool(value)
        } else if let value = try? container.decode(Int64.self) {
            self = .integer(value)
        } else if let value = try? container.decode(Double.self) {
            self = .number(value)
        } else if let value = try? container.decode([JSONValue].self) {
            self = .array(value)
        } else {
            self = .object(try container.decode([String: JSONValue].self))
        }
    }

    /// What it is, as a sentence says it.
    var kind: String {
        switch self {
        case .null: "null"
        case .bool: "true or false"
        case .integer, .number: "a number"
        case .string: "a string"
        case .array: "an array"
        case .object: "an object"
        }
    }
}

/// The fields of a JSON body, each taken once; errors name the field and say what would be right.
struct JSONFields {
    private let place: String
    private let fields: [String: JSONValue]

    /// - Throws: `invalid_body` when it is no object, or has a field that is not among `names`.
    init(_ value: JSONValue, in place: String = "the body", names: [String]) throws {
        guard case .object(let fields) = value else {
            throw AdminProblem(
                .invalidBody,
                "\(place) is a JSON object, this one is \(value.kind)"
            )
        }
        if let unknown = fields.keys.sorted().first(where: { !names.contains($0) }) {
            let known =
                names.isEmpty ? "no fields" : names.map { "'\($0)'" }.joined(separator: ", ")
            throw AdminProblem(
                .invalidBody,
                "\(place) takes \(known), not '\(shortened(unknown))'"
            )
        }
        self.place = place
        self.fields = fields
    }

    func has(_ name: String) -> Bool { self.fields[name] != nil }

    func value(_ name: String) -> JSONValue? { self.fields[name] }

    private func wrong(_ name: String, _ right: String, _ value: JSONValue) -> AdminProblem {
        AdminProblem(.invalidBody, "'\(name)' in \(self.place) is \(right), not \(value.kind)")
    }

    func string(_ name: String) throws -> String? {
        switch self.fields[name] {
        case nil: return nil
        case .string(let text): return text
        case .some(let value): throw self.wrong(name, "a string", value)
        }
    }

    func stringOrNull(_ name: String) throws -> String? {
        self.fields[name] == .null ? nil : try self.string(name)
    }

    func bool(_ name: String) throws -> Bool? {
        switch self.fields[name] {
        case nil: return nil
        case .bool(let flag): return flag
        case .some(let value): throw self.wrong(name, "true or false", value)
        }
    }

    /// A whole number of `range`, or nothing where it is absent or null.
    func integer(_ name: String, in range: ClosedRange<Int64>) throws -> Int64? {
        let right = "a whole number from \(range.lowerBound) to \(range.upperBound)"
        switch self.fields[name] {
        case nil, .null: return nil
        case .integer(let number):
            guard range.contains(number) else {
                throw AdminProblem(
                    .invalidBody,
                    "'\(name)' in \(self.place) is \(right), not \(number)"
                )
            }
            return number
        case .number(let number):
            throw AdminProblem(
                .invalidBody,
                "'\(name)' in \(self.place) is \(right), not \(number)"
            )
        case .some(let value): throw self.wrong(name, right, value)
        }
    }

    /// A number of `range`, whole or not, or nothing where it is absent or null.
    func number(_ name: String, in range: ClosedRange<Double>) throws -> Double? {
        let right = "a number from \(range.lowerBound) to \(Int64(range.upperBound))"
        let number: Double
        switch self.fields[name] {
        case nil, .null: return nil
        case .integer(let value): number = Double(value)
        case .number(let value): number = value
        case .some(let value): throw self.wrong(name, right, value)
        }
        guard range.contains(number) else {
            throw AdminProblem(
                .invalidBody,
                "'\(name)' in \(self.place) is \(right), not \(number)"
            )
        }
        return number
    }

    /// Texts, none where it is absent.
    func strings(_ name: String) throws -> [String] {
        let right = "an array of strings"
        switch self.fields[name] {
        case nil: return []
        case .array(let values):
            return try values.map { value in
                guard case .string(let text) = value else {
                    throw AdminProblem(
                        .invalidBody,
                        "'\(name)' in \(self.place) is \(right), and in it is \(value.kind)"
                    )
                }
                return text
            }
        case .some(let value): throw self.wrong(name, right, value)
        }
    }
}

extension JSONValue {
    /// No body of the door has more than two.
    static let levelsMax = 16

    /// - Throws: `invalid_body` where it is not JSON, or too deep.
    init(parsing bytes: ByteBuffer) throws {
        // Before it is decoded: each value costs as much as it lies deep.
        guard Self.levels(in: bytes) <= Self.levelsMax else {
            throw AdminProblem(
                .invalidBody,
                "the body has more than \(Self.levelsMax) levels of arrays and objects"
            )
        }
        do {
            self = try JSONDecoder().decode(JSONValue.self, from: Data(bytes.readableBytesView))
        } catch {
            throw AdminProblem(.invalidBody, "the body is not JSON")
        }
    }

    /// How deep arrays and objects lie in each other.
    private static func levels(in bytes: ByteBuffer) -> Int {
        var (open, deepest) = (0, 0)
        var (isInString, isEscaped) = (false, false)
        for byte in bytes.readableBytesView {
            if isInString {
                if isEscaped {
                    isEscaped = false
                } else if byte == UInt8(ascii: "\\") {
                    isEscaped = true
                } else if byte == UInt8(ascii: "\"") {
                    isInString = false
                }
                continue
            }
            switch byte {
            case UInt8(ascii: "\""): isInString = true
            case UInt8(ascii: "["), UInt8(ascii: "{"):
                open += 1
                deepest = max(deepest, open)
            case UInt8(ascii: "]"), UInt8(ascii: "}"): open -= 1
            default: break
            }
        }
        return deepest
    }
}
