import Hummingbird
import Metrics

/// The admin door.
package enum AdminDoor {}
