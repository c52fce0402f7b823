/** The id of a message. A broker's are numbers; an endpoint of your own may have any text. */
export type MessageId = number | string;

export interface Message {
  /** Absent only where an endpoint of your own gives none. */
  id?: MessageId;
  /** Over event streams only known when one topic, without a wildcard, is followed. */
  topic?: string;
  /** Absent for messages without one; never `"message"`. */
  event?: string;
  /** Not over event streams. */
  key?: string;
  /** RFC 3339, of the commit. Not over event streams. */
  time?: string;
  data: string;
}

export interface Gap {
  after: number | null;
  /** Absent only where an endpoint of your own does not say it. */
  resumed?: number;
  reason: "retention" | "reset" | "unknown";
}

export interface TopicEnd {
  /** Absent when the broker answered 204. */
  topic?: string;
  reason: "ended" | "stopped" | "deleted";
  last_id?: number;
}

/** `waiting`: for the next attempt. `ended`: the topic has. `closed`: by you, or by an error. */
export type State = "connecting" | "open" | "waiting" | "ended" | "closed";

export type Transport = "fetch" | "event-stream" | "websocket" | "poll";

export interface StateDetail {
  transport?: Transport | "shared-worker" | "shared-channel";
  /** With `waiting`. */
  retryInMilliseconds?: number;
  /** What has ended the last attempt, or all. */
  error?: Error;
}

export interface Outcome {
  /**
   * `closed`: `close()`, or the loop was left. `aborted`: by `signal`. `unauthorized`: 401, also
   * with a fresh token. `refused`: an answer that cannot get better, see `error`.
   */
  reason: "ended" | "stopped" | "deleted" | "closed" | "aborted" | "unauthorized" | "refused";
  topic?: string;
  last_id?: number;
  error?: TickertapeError;
}

/** Waits between attempts, in milliseconds. */
export interface BackoffOptions {
  /** The first one, until the broker says what it wants by `retry:`. Default 500. */
  min?: number;
  /** The longest, and the one while offline. Default 30000. */
  max?: number;
}

export interface AccessOptions {
  /** A credential that never changes. */
  token?: string;
  /**
   * Asked for a credential at first, and again when one is refused or has ended. Not waited for any
   * longer after `close()` or an abort.
   */
  getToken?: () => string | undefined | Promise<string | undefined>;
  /** Whether cookies are sent to another origin. */
  credentials?: RequestCredentials;
  /** More fields of requests. Neither a native EventSource nor a WebSocket can send them. */
  headers?: HeadersInit;
  signal?: AbortSignal;
  backoff?: BackoffOptions;
  /** Replaces parts of the world, such as `fetch`. */
  environment?: Record<string, unknown>;
}

export interface ConnectOptions extends AccessOptions {
  /**
   * The broker's address, by default where this module came from; without `topics`, that of the
   * stream.
   */
  url?: string | URL;
  /** Topics or patterns. Without: `url` is an endpoint of your own that answers an event stream. */
  topics?: string | readonly string[];
  /**
   * Begins after this id; 0 is the beginning. Without `after` and `tail`: with what comes from now
   * on.
   */
  after?: MessageId;
  /** Begins with the last messages of each topic. */
  tail?: number;
  /** Joins messages of one topic, event and key that are replayed. */
  coalesce?: "text";
  /**
   * Default `auto`: `fetch`, and where a proxy holds it back `websocket` (not with `headers`) or
   * `poll`.
   */
  transport?: "auto" | Transport;
  /** Of the request for an event stream. With topics, `POST` sends them in the body. */
  method?: string;
  /** For an endpoint of your own; a plain object is sent as JSON. */
  body?: string | Blob | BufferSource | FormData | URLSearchParams | Record<string, unknown>;
  /** Names of events that the transport `event-stream` listens to; the others show them all. */
  events?: readonly string[];
  /**
   * One connection for all tabs of this origin that follow the same. A name keeps apart what must
   * not be shared, such as that of the user.
   */
  shared?: boolean | string;
  /**
   * How often the other side gives a sign of life; 2.5 times that is silence. Default 15, and 0
   * (never) for an endpoint of your own.
   */
  heartbeatSeconds?: number;
  /** Messages that wait for the iterator before reading stops. Default 256. */
  bufferedMessagesMax?: number;
  /** Awaited before the next one is read. */
  onMessage?: (message: Message) => unknown;
  onEnd?: (end: TopicEnd) => unknown;
  /** Messages are missing: load your state anew. */
  onGap?: (gap: Gap) => unknown;
  /** All there was has come; what follows is live. */
  onCaughtUp?: (reached: { id: number }) => unknown;
  /** The credential ends soon. */
  onExpiring?: (left: { seconds: number }) => unknown;
  /** The credential was refused or has ended; awaited before the next attempt. */
  onUnauthorized?: (why: { reason: string }) => unknown;
  onState?: (state: State, detail: StateDetail) => unknown;
}

export interface TextStream extends ReadableStream<string> {
  [Symbol.asyncIterator](): AsyncIterableIterator<string>;
}

export interface Connection extends AsyncIterable<Message> {
  readonly state: State;
  /** Of the last message that was given out; go on from it with `after`. */
  readonly lastId: MessageId | undefined;
  readonly transport: Transport | "shared-worker" | "shared-channel";
  /** Resolves, and never rejects, when all is over. */
  readonly closed: Promise<Outcome>;
  close(): void;
  /** The data alone. Without `onGap` a gap is an error of it. */
  textStream(): TextStream;
  [Symbol.asyncIterator](): AsyncIterableIterator<Message>;
}

/** Follows topics of a broker, or any event stream of an endpoint of your own. */
export function connect(options?: ConnectOptions): Connection;

export interface TopicOptions extends AccessOptions {
  url?: string | URL;
  topic: string;
  /** How often a request that may succeed later is repeated. Default 5. */
  retries?: number;
  /** After which a request without an answer counts as failed. Default 30. */
  timeoutSeconds?: number;
}

export interface PublishOptions extends TopicOptions {
  /** What is no string is sent as JSON. */
  data?: unknown;
  event?: string;
  key?: string;
  /** Made for you: repeats of one call are one message. */
  idempotencyKey?: string;
  /** Whether this is the topic's last message. */
  end?: boolean;
}

export interface Published {
  id: number;
  topic: string;
  repeated?: true;
  ended?: true;
}

/** Publishes one message. */
export function publish(options: PublishOptions): Promise<Published>;

/** Asks whoever publishes to a topic to stop: the topic ends. */
export function stop(options: TopicOptions): Promise<Required<TopicEnd>>;

/** What the broker, or the way to it, has refused. */
export class TickertapeError extends Error {
  constructor(code: string, detail?: string, more?: {
    status?: number; retryAfter?: number; problem?: Record<string, unknown>; cause?: unknown;
  });
  /** Stable; what programs look at. Of other servers `http_` and the status. */
  readonly code: string;
  readonly detail?: string;
  readonly status?: number;
  /** In seconds. */
  readonly retryAfter?: number;
  readonly problem?: Record<string, unknown>;
  readonly isRetryable: boolean;
  static from(response: Response, now?: number): Promise<TickertapeError>;
}

export interface StreamEvent {
  event: string;
  data: string;
  /** The last id of the stream, `""` without one. */
  id: string;
}
/** A block without data, which moves the cursor. */
export interface StreamCursor { id: string; event?: undefined; data?: undefined }
/** The reconnection time in milliseconds. */
export interface StreamRetry { retry: number; event?: undefined; data?: undefined; id?: undefined }

/** Text or bytes in, in pieces of any size; events out. */
export class EventStreamParser {
  constructor(options?: { lastEventId?: MessageId });
  push(chunk: string | BufferSource): (StreamEvent | StreamCursor | StreamRetry)[];
}

export type EventStreamSource = Response | ReadableStream<Uint8Array>
  | Iterable<string | BufferSource> | AsyncIterable<string | BufferSource>;

/** The events of an event stream; with `cursors` also what an `EventSource` keeps to itself. */
export function parseEventStream(
  source: EventStreamSource, options?: { lastEventId?: MessageId; cursors?: false },
): AsyncGenerator<StreamEvent>;
export function parseEventStream(
  source: EventStreamSource, options: { lastEventId?: MessageId; cursors: true },
): AsyncGenerator<StreamEvent | StreamCursor | StreamRetry>;
