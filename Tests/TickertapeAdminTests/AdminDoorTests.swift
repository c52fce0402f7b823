import Testing

@testable import TickertapeAdmin
