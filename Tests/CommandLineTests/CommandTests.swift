import Testing

@testable import tickertape
