// The page of /demo/assistant: questions go to one topic, each answer comes from a topic of its own.
//
// A conversation is its name in the address. Whoever has it reads the questions, and of each the
// topic of its answer, and that from its first token to its end: a refresh, a second tab and a
// connection that was cut are all the same to it.

import { connect, publish, stop } from "/tickertape.js";
import { Markdown } from "/demo/markdown.js";

const QUESTIONS = "demo/assistant/questions", ANSWERS = "demo/assistant/answers";
const ANSWER = new RegExp(`^${ANSWERS}/[0-9a-z-]{1,40}$`);
const CUT_SECONDS = 6;
/** Older ones leave the page; they stay in the log. */
const TURNS_MAX = 40;
/** Answers that are read at once, the newest among them: browsers have six connections for one host. */
const FOLLOWED_MAX = 2;
/** A longer piece is more than one token: it was joined on its way. */
const TOKEN_CHARACTERS_MAX = 24;
const MARKS_MAX = 400;
const STATES = { connecting: "Connecting", ready: "Ready", typing: "Typing", reconnecting: "Reconnecting",
  cut: "Network cut", refused: "Refused" };
const FATES = { sending: "Sending", asked: "Thinking", typing: "Typing", ended: "Complete", stopped: "Stopped",
  deleted: "Deleted", refused: "Refused", failed: "Not sent" };

const $ = (id) => document.getElementById(id);
const random = () => Array.from(crypto.getRandomValues(new Uint8Array(10)), (byte) => byte.toString(16).padStart(2, "0")).join("");
const count = new Intl.NumberFormat("en-US");

/* ---- Which conversation ---- */

/** The one of the address, else the one this tab had before, else a new one. */
function conversationName() {
  const named = /^#([0-9a-z-]{1,40})$/.exec(location.hash)?.[1];
  let kept;
  try { kept = sessionStorage["tickertape.conversation"]; } catch { /* A private window keeps nothing. */ }
  return named ?? (/^[0-9a-z-]{1,40}$/.test(kept ?? "") ? kept : random());
}

let conversation, questions = null, lastQuestion = 0;
/** By the topic of the answer, in the order of the questions. */
let turns = new Map();

function enter(name) {
  conversation = name;
  try { sessionStorage["tickertape.conversation"] = name; } catch { /* The address has it. */ }
  if (location.hash !== "#" + name) history.replaceState(null, "", "#" + name);
  $("second").href = location.href;
  for (const turn of turns.values()) turn.leave();
  questions?.close();
  turns = new Map();
  lastQuestion = 0;
  marks.length = 0;
  $("conversation").replaceChildren();
  $("notice").hidden = true;
  isAtEnd = true;
  followQuestions();
  show();
}

/* ---- The questions ---- */

/** Over a WebSocket, so that any number of tabs leaves the connections for HTTP to the answers. */
async function followQuestions() {
  const mine = questions = connect({ topics: `${QUESTIONS}/${conversation}`, after: lastQuestion,
    transport: "websocket", onState: show, onMessage: (message) => mine === questions && takeQuestion(message) });
  const { reason, error } = await mine.closed;
  if (mine !== questions || cutUntil > 0 || reason === "closed") return;
  $("notice").textContent = error ? `The conversation cannot be read: ${error.message}.` : `The conversation was ${reason}.`;
  $("notice").hidden = false;
  show();
}

function takeQuestion({ id, data }) {
  lastQuestion = id;
  let told;
  try { told = JSON.parse(data); } catch { return; }
  const { question, answer } = told ?? {};
  if (typeof question !== "string" || typeof answer !== "string" || !ANSWER.test(answer)) return;
  let turn = turns.get(answer);
  if (turn && turn.id !== null) return;
  turn ??= new Turn(answer, question.slice(0, 4000));
  turn.id = id;
  // It did arrive, whatever its publish was told.
  turn.problem = "";
  turn.setFate("asked");
  turn.drawFacts();
  turns.delete(answer);
  turns.set(answer, turn);
  // Those that are on their way come after those that have arrived.
  $("conversation").insertBefore(turn.item, [...turns.values()].find((other) => other.id === null)?.item ?? null);
  while (turns.size > TURNS_MAX) {
    const [topic, oldest] = turns.entries().next().value;
    oldest.leave();
    oldest.item.remove();
    turns.delete(topic);
  }
  followAnswersSoon();
  show();
}

async function ask(question) {
  const answer = `${ANSWERS}/${random()}`, turn = new Turn(answer, question), mine = conversation;
  turns.set(answer, turn);
  turn.setFate("sending");
  $("conversation").append(turn.item);
  isAtEnd = true;
  show();
  await whole;
  try {
    await publish({ topic: `${QUESTIONS}/${mine}`, data: JSON.stringify({ model: "demo", question, answer }) });
  } catch (error) {
    if (turn.id !== null) return;
    turn.problem = error.message;
    turn.setFate("failed");
    turn.drawFacts();
    show();
  }
}

/* ---- The answers ---- */

class Turn {
  id = null;
  fate = "";
  /** Everything that came, as it came. */
  raw = "";
  lastId = 0;
  connection = null;
  problem = "";
  /** What is missing stays missing, whatever comes behind it. */
  #gap = "";
  #pending = "";
  #pieces = 0;
  #joined = 0;
  #connections = 0;

  constructor(topic, question) {
    this.topic = topic;
    this.item = $("a-turn").content.firstElementChild.cloneNode(true);
    this.item.dataset.topic = topic;
    this.item.turn = this;
    this.part("question").textContent = question;
    this.markdown = new Markdown(this.part("body"));
  }

  part(name) { return this.item.querySelector(`.${name}`); }
  get isOver() { return ["ended", "stopped", "deleted", "refused", "failed"].includes(this.fate); }
  get isOpen() { return this.id !== null && !this.isOver; }

  setFate(fate) {
    if (fate === this.fate) return;
    this.fate = fate;
    this.item.dataset.fate = fate;
    this.item.classList.toggle("sending", fate === "sending" || fate === "failed");
    this.part("thinking").hidden = fate !== "asked";
    this.part("facts").hidden = false;
    this.part("fate").textContent = FATES[fate];
    this.part("copy").hidden = !this.isOver || this.raw === "";
    this.part("body").classList.toggle("typing", !this.isOver);
    this.part("answer").setAttribute("aria-busy", String(!this.isOver));
  }

  async follow() {
    const mine = this.connection = connect({ topics: this.topic, after: this.lastId, coalesce: "text", onState: show,
      onGap: () => { this.#gap = "A part of this answer is not kept any more"; } });
    this.#connections += 1;
    let outcome = { reason: "closed" };
    try {
      for await (const message of mine) this.#take(message);
    } catch { /* `closed` says why. */ }
    outcome = await mine.closed;
    if (this.connection !== mine) return;
    this.connection = null;
    if (["closed", "aborted"].includes(outcome.reason)) return;
    this.#draw();
    this.markdown.end();
    if (outcome.error) this.problem = outcome.error.message;
    this.setFate(outcome.reason in FATES ? outcome.reason : "refused");
    this.drawFacts();
    mark("over");
    followAnswers();
    show();
  }

  #take({ id, data }) {
    const isJoined = data.length > TOKEN_CHARACTERS_MAX;
    this.lastId = id;
    this.raw += data;
    this.#pending += data;
    this.#pieces += 1;
    if (isJoined) this.#joined += 1;
    mark(isJoined ? "back" : "live", isJoined ? Math.min(60, 6 + data.length / 12) : 0);
    dirty.add(this);
    show();
  }

  #draw() {
    if (this.#pending === "") return;
    this.markdown.write(this.#pending);
    this.#pending = "";
  }

  draw() {
    this.#draw();
    if (this.fate === "asked" && this.raw !== "") this.setFate("typing");
    this.drawFacts();
  }

  drawFacts() {
    const plural = (number, word) => `${count.format(number)} ${word}${number === 1 ? "" : "s"}`;
    const facts = this.#pieces === 0 ? [] : [`last id ${this.lastId}`, plural(this.raw.length, "character"),
      plural(this.#pieces, "event") + (this.#joined > 0 ? `, ${this.#joined} joined` : ""), plural(this.#connections, "connection")];
    this.part("told").textContent = this.problem || this.#gap || facts.join(" \u00b7 ");
  }

  /** Reads on later, after the last token that came. */
  pause() {
    const open = this.connection;
    this.connection = null;
    open?.close();
  }

  leave() {
    this.pause();
    dirty.delete(this);
    this.fate ||= "closed";
  }
}

/**
 * The newest first, and only a few at a time: the others wait, also in the middle, until one of them has
 * ended. So there is always a connection left for the next question and for Stop.
 */
function followAnswers() {
  if (cutUntil > 0) return;
  const open = [...turns.values()].filter((turn) => turn.isOpen).reverse();
  if (open.length === 0) return;
  const followed = open.filter((turn) => turn.connection);
  if (!open[0].connection) while (followed.length >= FOLLOWED_MAX) followed.pop().pause();
  for (const turn of open) {
    if (followed.length >= FOLLOWED_MAX) break;
    if (turn.connection) continue;
    followed.push(turn);
    turn.follow();
  }
}

let isFollowingSoon = false;

/** Questions come many at once when a page is opened: only the last of them need a connection yet. */
function followAnswersSoon() {
  if (isFollowingSoon) return;
  isFollowingSoon = true;
  setTimeout(() => {
    isFollowingSoon = false;
    followAnswers();
  });
}

/* ---- Cutting the network ---- */

let cutUntil = 0;
/** Resolves when the network is there. */
let whole = Promise.resolve();

function cut() {
  if (cutUntil > 0) return;
  cutUntil = performance.now() + CUT_SECONDS * 1000;
  questions.close();
  for (const turn of turns.values()) turn.pause();
  mark("away", 40);
  whole = new Promise((done) => {
    const timer = setInterval(() => {
      if (performance.now() < cutUntil) return show();
      clearInterval(timer);
      cutUntil = 0;
      done();
      followQuestions();
      followAnswers();
      show();
    }, 100);
  });
  show();
}

/* ---- Drawing: at most once a frame, seldom when nobody looks ---- */

const dirty = new Set();
/** What is on the tape, the newest last: [kind, length]. */
const marks = [];
let isScheduled = false, isAtEnd = true, isTapeDirty = true, lastTop = 0;

function mark(kind, length = 0) {
  marks.push([kind, length]);
  if (marks.length > MARKS_MAX) marks.splice(0, marks.length - MARKS_MAX / 2);
  isTapeDirty = true;
}

function show() {
  if (isScheduled) return;
  isScheduled = true;
  if (document.hidden) setTimeout(draw, 250);
  else requestAnimationFrame(draw);
}

function draw() {
  isScheduled = false;
  for (const turn of dirty) turn.draw();
  dirty.clear();
  drawState();
  if (isTapeDirty) drawTape();
  isTapeDirty = false;
  if (isAtEnd) $("scroller").scrollTop = $("scroller").scrollHeight;
  $("below").hidden = isAtEnd || turns.size === 0;
}

/** The newest answer that is not over. */
const current = () => [...turns.values()].filter((turn) => !turn.isOver && turn.fate !== "sending").at(-1);

function drawState() {
  const connections = [questions, ...[...turns.values()].map((turn) => turn.connection)].filter(Boolean);
  const states = connections.map((connection) => connection.state);
  const state = cutUntil > 0 ? "cut"
    : questions?.state === "closed" || questions?.state === "ended" ? "refused"
    : states.includes("waiting") ? "reconnecting"
    : questions?.state !== "open" ? (lastQuestion > 0 ? "reconnecting" : "connecting")
    : current() ? "typing" : "ready";
  const left = Math.ceil((cutUntil - performance.now()) / 1000);
  const text = STATES[state] + (state === "cut" ? ` \u00b7 ${Math.max(1, left)} s` : "");
  if ($("state").textContent !== text) $("state").textContent = text;
  $("state").dataset.state = state;
  document.body.classList.toggle("waiting", state === "cut" || state === "reconnecting");
  $("cut").toggleAttribute("aria-disabled", cutUntil > 0);
  if (cutUntil > 0) $("cut").setAttribute("aria-disabled", "true");
  $("cut").style.setProperty("--done", cutUntil > 0 ? `${100 - (cutUntil - performance.now()) / CUT_SECONDS / 10}%` : "0%");
  $("welcome").hidden = turns.size > 0 || lastQuestion > 0;
  // One place for both: what can be stopped is stopped, unless something is written already.
  const canStop = Boolean(current()) && $("text").value.trim() === "";
  const had = document.activeElement;
  $("stop").hidden = !canStop;
  $("ask").hidden = canStop;
  if (had === $("stop") && !canStop) $("text").focus();
}

function drawTape() {
  const width = $("tape").clientWidth, paths = { feed: "", away: "", live: "", back: "", over: "" };
  let x = width - 14;
  for (let index = marks.length - 1; index >= 0 && x > 0; index -= 1) {
    const [kind, length] = marks[index];
    x -= length;
    paths[kind] += kind === "over" ? `M${x.toFixed(1)} 7v12` : `M${x.toFixed(1)} 13h${length.toFixed(1)}`;
    x -= 9;
  }
  for (; x > 0; x -= 9) paths.feed += `M${x.toFixed(1)} 13h0`;
  for (const kind in paths) $("tape").querySelector(`.${kind}`).setAttribute("d", paths[kind]);
}

/* ---- What you do ---- */

function submit(question) {
  if (question.trim() === "") return;
  ask(question.trim());
  $("text").value = "";
  resize();
  $("text").focus();
}

function resize() {
  $("text").style.height = "auto";
  $("text").style.height = `${$("text").scrollHeight + 2}px`;
  show();
}

async function stopCurrent() {
  const turn = current();
  if (!turn || $("stop").hasAttribute("aria-disabled")) return;
  $("stop").setAttribute("aria-disabled", "true");
  try {
    await whole;
    // The end comes on the stream, to this tab as to all others.
    await stop({ topic: turn.topic });
    $("notice").hidden = true;
  } catch (error) {
    $("notice").textContent = `It could not be stopped: ${error.message}`;
    $("notice").hidden = false;
  } finally {
    $("stop").removeAttribute("aria-disabled");
    show();
  }
}

async function copy(button, text) {
  const name = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    // No clipboard without HTTPS.
    button.textContent = "No clipboard";
  }
  setTimeout(() => { button.textContent = name; }, 1500);
}

$("asking").addEventListener("submit", (event) => {
  event.preventDefault();
  submit($("text").value);
});
$("text").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  submit($("text").value);
});
$("text").addEventListener("input", resize);
$("stop").addEventListener("click", stopCurrent);
$("cut").addEventListener("click", cut);
$("new").addEventListener("click", () => {
  enter(random());
  $("text").focus();
});
$("below").addEventListener("click", () => {
  isAtEnd = true;
  show();
});
for (const idea of document.querySelectorAll(".ideas button")) idea.addEventListener("click", () => submit(idea.textContent));
$("conversation").addEventListener("click", ({ target }) => {
  if (target.matches(".facts .copy")) copy(target, target.closest(".turn").turn.raw);
  else if (target.matches(".code button")) copy(target, target.closest(".code").querySelector("pre").textContent);
});
$("scroller").addEventListener("scroll", () => {
  const { scrollHeight, scrollTop, clientHeight } = $("scroller");
  const wasAtEnd = isAtEnd;
  // Told late: meanwhile more may have been written. Who leaves the end has scrolled up.
  if (scrollHeight - scrollTop - clientHeight < 40) isAtEnd = true;
  else if (scrollTop < lastTop) isAtEnd = false;
  lastTop = scrollTop;
  if (isAtEnd !== wasAtEnd) show();
}, { passive: true });
addEventListener("hashchange", () => conversationName() !== conversation && enter(conversationName()));
document.addEventListener("visibilitychange", show);
new ResizeObserver(show).observe($("scroller"));
new ResizeObserver(() => { isTapeDirty = true; show(); }).observe($("tape"));
enter(conversationName());
$("text").focus({ preventScroll: true });
