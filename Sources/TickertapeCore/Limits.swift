/// Every bound of the broker: name, default, and what happens at it.
///
/// Counts end in `Max`, sizes carry their unit. What an operator may change has an option of
/// the same name. The table in `docs/protocol.md` says the same to clients.
package struct Limits: Sendable {
    // Requests.

    /// A longer request target is answered 414.
    package var uriBytesMax = 8_192
    /// A larger request head (target and fields together) is answered 431.
    package var headBytesMax = 16_384
    /// More header fields are answered 431.
    package var headerFieldsMax = 100
    /// A larger payload is answered 413.
    ///
    /// Option `--max-message-bytes`.
    package var messageBytesMax = 1_048_576
    /// A larger body of `POST /events` is answered 413.
    package var subscribeBodyBytesMax = 65_536
    /// An event name over this is answered 400.
    package var eventBytesMax = 128
    /// A key over this is answered 400.
    package var keyBytesMax = 256
    /// An idempotency key over this is answered 400.
    package var idempotencyKeyBytesMax = 255
    /// A body of a refused request up to this is read and dropped so that the connection can
    /// be kept; a larger one ends the connection after the answer.
    package var discardedBodyBytesMax = 65_536
    /// Seconds from the first byte of a request to its last; then 408 and close.
    ///
    /// Also the time a new connection has to send its first request, and a stalled reader of
    /// responses has to go on. Option `--request-timeout`.
    package var requestTimeoutSeconds = 30.0
    /// Seconds a keep-alive connection may wait for its next request; then it is closed.
    ///
    /// Option `--idle-timeout`.
    package var idleTimeoutSeconds = 75.0
    /// Requests of one connection that wait for their answer; then it is not read on.
    package var pipelinedRequestsMax = 128
    /// Seconds a closing connection is still read from, so that its last answer arrives.
    package var lingerSeconds = 2.0
    /// Connections over this wait in the listen backlog.
    ///
    /// Open files less a reserve, at start.
    package var connectionsMax = 100_000
    /// Connections the kernel queues before they are accepted.
    package var listenBacklog = 4_096
    /// Open files kept for the log and the process itself.
    package var reservedFilesCount = 128

    // Publishing many messages with one request.

    /// Messages of one streaming publish that wait for their answer; then it is not read on.
    package var streamedMessagesMax = 1_024
    /// The same in bytes.
    package var streamedBytesMax = 1_048_576
    /// Bytes of answers a client of a streaming publish has not taken; then it is not read on.
    package var streamedAnswerBytesMax = 1_048_576
    /// Seconds a streaming publish may send nothing; then it is answered 408 and ends.
    ///
    /// Long: a model that thinks sends nothing. Option `--publish-stream-timeout`.
    package var streamedIdleSeconds = 600.0
    /// Bytes of one line or event of a streaming publish; above, 413 `message_too_large`.
    ///
    /// A payload of any size that is taken fits, with each byte escaped as `\\u0000`.
    package var lineBytesMax: Int { self.messageBytesMax * 6 + 65_536 }
    /// Messages of an atomic batch; more are answered 413 `batch_too_large`.
    package var atomicMessagesMax = 1_024
    /// A larger body of an atomic batch is answered 413 `batch_too_large`.
    package var atomicBytesMax = 4_194_304

    // The log.

    /// Messages that wait for the writer; then 503 `queue_full`.
    ///
    /// Option `--queue-max-messages`.
    package var queueMessagesMax = 65_536
    /// The same in bytes.
    ///
    /// Option `--queue-max-bytes`.
    package var queueBytesMax = 67_108_864
    /// Messages of one transaction; what is over waits for the next.
    package var batchMessagesMax = 2_048
    /// Bytes of one transaction; what is over waits for the next.
    package var batchBytesMax = 8_388_608
    /// A transaction that has been open this long takes no further message.
    package var batchMilliseconds = 20
    /// Publishes of one event loop that reach the writer as one piece.
    ///
    /// Not more: the writer inserts the first while the loop still reads what the others sent.
    package var submissionMessagesMax = 32
    /// The same in bytes.
    package var submissionBytesMax = 2_097_152
    /// Microseconds the writer waits for what a loop is still gathering before it commits without.
    package var turnMicrosecondsMax = 500
    /// Pages of the write-ahead log after which it is moved into the main file.
    package var walPagesMax = 2_000
    /// Seconds a `Retry-After` asks a publisher to wait when the queue or the disk is full.
    package var publishRetrySeconds = 1
    /// Hours an idempotency key is kept.
    package var idempotencyHours = 24
    /// Expired idempotency keys removed by one transaction, ten times a second at most; where there
    /// are more, each removes twice what it stores.
    package var idempotencyPruneCount = 500

    // Retention.

    /// Messages an idle writer removes in one transaction; then it pauses.
    package var retentionMessagesMax = 500
    /// The same in bytes; at least one message is removed.
    package var retentionBytesMax: Int64 = 4_194_304
    /// Milliseconds of such a pause, during which publishes are served.
    package var retentionPauseMilliseconds = 20
    /// Milliseconds after which a transaction removes nothing more, however little it has.
    package var retentionMilliseconds = 5
    /// Messages a transaction that publishers wait for removes at least, where so many are due; one
    /// that inserts more removes twice what it inserts.
    package var retentionMessagesMin = 64
    /// The same in bytes.
    package var retentionBytesMin: Int64 = 262_144
    /// Messages of a topic that may be in no stored count; then it is written.
    ///
    /// They are counted after a crash.
    package var uncountedTopicMessagesMax: Int64 = 1_000
    /// The same for all topics together.
    package var uncountedMessagesMax: Int64 = 100_000
    /// Counts of topics written by one transaction.
    package var countedTopicsMax = 16
    /// Topics one transaction looks through after a policy was changed.
    package var reviewedTopicsMax = 4_096
    /// Pages of the database that stay free for messages to come; where there are twice as many,
    /// the file is made smaller.
    package var freePagesKept = 1_000
    /// Pages one transaction gives back to the file system.
    package var freedPagesMax = 64
    /// What operators ask of the log and waits for the writer; more is refused.
    package var administrationJobsMax = 1_024

    // Reading the log.

    /// Threads that read pages, each with a connection to the database.
    package var readerCount = 2
    /// Messages of one page.
    package var pageMessagesMax = 1_000
    /// Payload bytes of one page; at least one message is taken.
    package var pageBytesMax = 131_072
    /// Rows one page may look at for a filter that few of them match.
    package var pageRowsExaminedMax = 20_000
    /// Topics whose rows are read one by one and merged; above, the log is scanned by id.
    package var mergedTopicsMax = 32
    /// Topics whose tails are found in one read transaction; then it begins anew, so that the
    /// write-ahead log can be moved.
    package var tailTopicsMax = 1_000
    /// `limit` of a history request: default and largest.
    package var historyMessagesDefault = 100
    package var historyMessagesMax = 1_000
    /// Payload bytes of a page of history; at least one message is taken.
    package var historyBytesMax = 1_048_576
    /// Bytes of pages of history that an event loop reads and holds for those who do not take them;
    /// above, pages have `historyBytesMin`.
    package var historyBytesHeldMax = 33_554_432
    /// Payload bytes of a page of history while many others are not taken.
    package var historyBytesMin = 16_384
    /// Seconds `wait` may ask for.
    package var historyWaitSecondsMax = 60.0

    // Subscriptions.

    /// Payload bytes of one event that joins several messages; at least one message is in it.
    package var coalescedBytesMax = 65_536
    /// Messages of one page that is read to be joined.
    package var coalescedMessagesMax = 8_192

    /// Topics and patterns of one stream; more are answered 400.
    package var topicsPerStreamMax = 128
    /// `tail` may ask for this many of each topic.
    package var tailMax = 1_000
    /// Open event streams, WebSockets and streaming publishes; above, an EventSource gets 200, a
    /// jittered `retry:` and the end, other clients 503.
    ///
    /// Option `--max-streams`.
    package var streamsMax = 100_000
    /// Seconds `retry:` says at the start of a stream.
    ///
    /// Option `--retry`.
    package var retrySeconds = 3.0
    /// Seconds between two signs of life of a quiet stream.
    ///
    /// Option `--heartbeat`.
    package var heartbeatSeconds = 15.0
    /// Bytes that wait in the broker for one subscriber's socket; above, the subscriber leaves the
    /// live set and reads the log when its socket drains.
    ///
    /// One write may exceed it.
    package var subscriberBufferedBytesMax = 65_536
    /// Bytes not yet sent that the kernel holds for one connection (TCP_NOTSENT_LOWAT).
    package var socketUnsentBytesMax = 131_072
    /// Bytes of committed messages an event loop keeps so that short gaps never touch the disk.
    package var recentBytesMax = 8_388_608
    /// Bytes of frames that leave in one write; a subscriber further behind reads pages.
    package var writeBytesMax = 131_072
    /// Topics an event loop remembers the patterns of; above, all are forgotten and matched anew.
    ///
    /// Each new or closed pattern looks at all of them.
    package var indexedTopicsMax = 4_096
    /// Subscribers of one slice of a fan-out pass; the loop polls its sockets between slices.
    package var sliceSubscribersMax = 16
    /// Microseconds a slice goes on for at most when the loop was busy with its sockets for so long.
    package var sliceMicrosecondsMax = 5_000

    // HTTP/2. Whoever sends more of these frames is told GOAWAY with ENHANCE_YOUR_CALM.

    /// Streams of one connection that are open at a time; more are refused (REFUSED_STREAM).
    package var connectionStreamsMax = 256
    /// Seconds a client that has broken the protocol has to read why.
    package var failedLingerSeconds = 0.5
    /// Bytes of request bodies a client may send before it is told that they were taken: a stream.
    package var streamWindowBytes = 65_536
    /// The same for all streams of a connection.
    package var connectionWindowBytes = 1_048_576
    /// Bytes of bodies of one connection that have not come to their end; above, 503 `queue_full`.
    ///
    /// At least two messages of the largest size. Of a streaming publish only what is not a whole
    /// message yet counts.
    package var streamBodiesBytesMax = 8_388_608
    /// Seconds over which the following frames are counted.
    package var frameWindowSeconds = 30
    /// RST_STREAM frames in that time: a page that leaves resets all of its streams.
    package var streamResetsMax = 1_024
    /// Malformed requests of one connection.
    package var streamErrorsMax = 200
    /// PING, SETTINGS and PRIORITY frames in that time.
    package var controlFramesMax = 200
    /// Answers to such frames that wait for a client that does not read.
    package var controlFramesBufferedMax = 1_000
    /// CONTINUATION frames of one head.
    package var continuationFramesMax = 5
    /// DATA frames without bytes, one after the other.
    package var emptyFramesMax = 8
    /// Frames a second that ask for nothing (WINDOW_UPDATE, unknown ones, DATA of a few bytes),
    /// besides two for each frame that the client was sent; four seconds' worth may come at once.
    package var framesPerSecondMax = 1_000

    // WebSockets.

    /// A larger message of a client ends the connection with 1009, before it is buffered.
    ///
    /// A payload of any size that is taken fits, with each byte escaped as `\\u0000`.
    package var commandBytesMax: Int { max(16_777_216, self.messageBytesMax * 6 + 65_536) }
    /// Subscriptions of one connection; more are answered `too_many_subscriptions`.
    package var subscriptionsMax = 128
    /// The name of a subscription; a longer one is answered `invalid_parameter`.
    package var subscriptionNameBytesMax = 64
    /// Publishes of one connection that wait for their answer; then it is not read on.
    package var unansweredPublishesMax = 128
    /// The same in bytes.
    package var unansweredBytesMax = 1_048_576
    /// Messages from this size on are compressed for those who take it.
    package var compressionBytesMin = 512
    /// Messages over this are not: the loop would stand still for milliseconds.
    package var compressionBytesMax = 262_144
    /// Commands of one connection that are carried out in one turn of its loop; each topic of a
    /// subscription counts as one more.
    package var commandsPerTurnMax = 64
    /// A command counts as one more for each so many bytes.
    package var commandBytesCounted = 4_096
    /// Bytes of replies that are written before the next command is looked at.
    package var repliesBytesMax = 16_384
    /// Heartbeats without a sign of life after a ping; then the peer is gone.
    package var unansweredPingsMax = 2
    /// Seconds the peer has to answer a close.
    package var closeSeconds = 2.0

    // Credentials.

    /// A longer credential is answered 401.
    package var credentialBytesMax = 8_192
    /// JWTs whose signature was checked, and what came of it; as many access tokens.
    ///
    /// Above, those that were not shown for longest are forgotten. A quarter is for those that are
    /// refused.
    package var verifiedCredentialsMax = 10_000
    /// Credentials that wait for their signature to be checked, one after the other; then 503
    /// `too_many_credentials`.
    package var waitingCredentialsMax = 16_384
    /// Keys that are tried for a JWT without `kid`; where more could fit it is answered 401.
    package var triedKeysMax = 8
    /// A larger key file is refused.
    package var keyFileBytesMax = 1_048_576
    /// A file with more keys is refused.
    package var fileKeysMax = 64
    /// Seconds between two looks at whether key files have changed.
    package var keyFileSeconds = 1.0
    /// Seconds before its end at which a stream is told.
    package var expiringSeconds = 30
    /// Seconds a WebSocket that came without a credential has to send one, where nothing is granted
    /// without.
    package var authSeconds = 10.0
    /// Seconds a browser may keep the answer to a preflight; browsers have their own bounds.
    package var preflightSeconds = 7_200

    // Fair shares. A client is its token, or without one its address (IPv6: the first 64 bits).

    /// Connections of one address; above, requests are answered 429 `too_many_client_connections`.
    ///
    /// Nothing: half of `connectionsMax`, and no bound for loopback. Option
    /// `--client-max-connections`.
    package var clientConnectionsMax: Int?
    /// Event streams, WebSockets and streaming publishes of one client; above, as with `streamsMax`.
    ///
    /// Nothing: half of `streamsMax`, and no bound for loopback. Option `--client-max-streams`.
    package var clientStreamsMax: Int?
    /// Publishes per second of one client; above, 429 `rate_limited`.
    ///
    /// One second's worth may come at once. Nothing: no bound. Option `--client-publishes-per-second`.
    package var clientPublishesPerSecond: Double?
    /// The same in bytes of payload; a message of the largest size may always come at once.
    ///
    /// Nothing: no bound. Option `--client-bytes-per-second`.
    package var clientBytesPerSecond: Double?
    /// Seconds a connection that publishes too fast is not read, at most.
    package var throttleSecondsMax = 1.0

    // The admin door.

    /// Connections of one listener of the door; more wait in its listen backlog.
    ///
    /// Those over TCP that have not shown the token make room for one that comes. Of both listeners
    /// they fit, with the files of the log, into `reservedFilesCount`.
    package var adminConnectionsMax = 40
    /// Event streams and uploads of lines at the door, of both listeners; more are answered 503
    /// `too_many_streams`.
    package var adminStreamsMax = 24
    /// As `discardedBodyBytesMax`, for those who have shown the token or need none.
    package var adminDiscardedBytesMax = 16_777_216
    /// Seconds a connection over TCP has to show the token; then it is closed without an answer.
    package var adminProofSeconds = 10.0
    /// Seconds a connection that has shown it, or needs none, may ask nothing, or stop in the middle
    /// of a request; then it is closed without an answer.
    package var adminIdleSeconds = 600.0

    // Stopping.

    /// Seconds a drain waits for publishes in flight and for streams to take their end.
    package var drainSeconds = 8.0
    /// Seconds an idle keep-alive connection is still served after the drain began.
    package var drainIdleSeconds = 0.5

    package init() {}
}
