/// A JWT in compact form (RFC 7515 §7.1), taken apart and not yet believed.
struct SignedToken: Sendable {
    /// What its header says it is signed with; the key decides.
    let algorithm: String
    let keyID: String?
    /// What was signed: the first two segments and the point between them.
    let signed: [UInt8]
    let signature: [UInt8]
    let payload: [UInt8]

    /// Why a credential is refused, as the detail of the problem.
    struct Refusal: Error, Equatable {
        let detail: String

        init(_ detail: String) {
            self.detail = detail
        }
    }

    /// Whether `credential` has three segments of base64url: a look at each byte, and no more.
    static func isShaped(_ credential: String) -> Bool {
        var credential = credential
        return credential.withUTF8 { bytes in
            var points = 0
            var isEmpty = true
            for byte in bytes {
                if byte == UInt8(ascii: ".") {
                    if isEmpty { return false }
                    points += 1
                    isEmpty = true
                } else {
                    guard Base64URL.isDigit(byte) else { return false }
                    isEmpty = false
                }
            }
            return points == 2 && !isEmpty
        }
    }

    init(_ credential: String) throws(Refusal) {
        let segments = credential.utf8.split(
            separator: UInt8(ascii: "."),
            maxSplits: 3,
            omittingEmptySubsequences: false
        )
        guard segments.count == 3, !segments.contains(where: \.isEmpty),
            let header = Base64URL.decode(segments[0]),
            let payload = Base64URL.decode(segments[1]),
            let signature = Base64URL.decode(segments[2])
        else {
            throw Refusal("the token is not three segments of base64url without padding")
        }
        let fields: StrictJSON
        do {
            fields = try StrictJSON(header)
        } catch {
            throw Refusal("the header of the token \(error.sentence)")
        }
        guard fields.isObject else { throw Refusal("the header of the token is no JSON object") }
        guard let algorithm = fields["alg"]?.text else {
            throw Refusal("the header of the token has no alg")
        }
        // Extensions that have to be understood (RFC 7515 §4.1.11); none is. `b64` changes what is
        // signed (RFC 7797), so it is not passed over where `crit` was left out.
        guard fields["crit"] == nil, fields["b64"] == nil else {
            throw Refusal("the header of the token asks for an extension (crit, b64)")
        }
        if let keyID = fields["kid"] {
            guard let text = keyID.text else {
                throw Refusal("the kid in the header of the token is no string")
            }
            self.keyID = text
        } else {
            self.keyID = nil
        }
        self.algorithm = algorithm
        self.signed = Array(credential.utf8[..<segments[1].endIndex])
        self.signature = signature
        self.payload = payload
    }
}
