/**
 * Markdown as it comes: each piece of text adds to what stands there already.
 *
 * Nothing here makes HTML from text: every word becomes a text node, and the elements are those few
 * that this file names. A finished line is never touched again; the open one is drawn anew at most
 * once for each `write`. What stands at the end depends on the text alone, not on how it was cut.
 *
 * Headings, paragraphs, quotes, lists in lists, code, tables, rules; bold, italic, struck, code and
 * links. Enough for what models write.
 */

/** A paragraph or a cell is drawn anew up to so many characters; what is before stays as it is. */
const OPEN_CHARACTERS_MAX = 4_000;
const NESTED_MAX = 8;
const CELLS_MAX = 32;

/** Only the beginning of what may become something else: shown when it is clear what. */
const UNDECIDED = /^\s*(?:(?:`{1,3}|~{1,3}|#{1,6}|[-*+_]{1,3}|\d{1,9}[.)]?|>)\s*|\|[-:|\s]*)?$/;

export class Markdown {
  #root;
  /** The line that is not finished. */
  #line = "";
  /** What the lines add to: { kind, … } or null between blocks. */
  #block = null;
  /** Takes back what was drawn of the unfinished line. */
  #undo = null;

  constructor(root) {
    this.#root = root;
  }

  write(text) {
    this.#undo?.();
    this.#undo = null;
    const lines = (this.#line + text).split("\n");
    this.#line = lines.pop();
    for (const line of lines) this.#take(line.replace(/\r$/, ""));
    this.#preview();
  }

  /** There is no more. */
  end() {
    this.#undo?.();
    this.#undo = null;
    if (this.#line !== "") this.#take(this.#line);
    this.#line = "";
    this.#close();
  }

  /* ---- Lines ---- */

  #take(line) {
    const block = this.#block;
    if (block?.kind === "code") {
      if (closesFence(line, block)) this.#close();
      else block.text.appendData((block.text.length > 0 ? "\n" : "") + line);
      if (this.#block) block.hasLines = true;
      return;
    }
    if (line.trim() === "") {
      // A list goes on after an empty line, if what follows is one of its items.
      if (block?.kind === "list") block.isLoose = true;
      else this.#close();
      return;
    }
    this.#add(line);
  }

  /** The expressions take a time that grows as the line does, whatever stands in it. */
  #add(line) {
    const fence = /^( {0,3})(`{3,}|~{3,})([^`]*)$/.exec(line);
    if (fence) return this.#openCode(fence[2], fence[3].trim());
    const heading = /^ {0,3}(#{1,6})\s+(.*)$/s.exec(line);
    if (heading) return this.#single(`h${Math.min(6, heading[1].length + 2)}`, withoutClosing(heading[2]));
    if (/^ {0,3}([-*_])(\s*\1){2,}\s*$/.test(line)) return this.#single("hr", "");
    const item = /^(\s*)([-*+]|\d{1,9}[.)])\s+(.*)$/s.exec(line);
    if (item) return this.#item(item[1].length, item[2], item[3]);
    if (/^\s*\|/.test(line)) return this.#row(line.trim());
    const quoted = /^ {0,3}>\s?(.*)$/s.exec(line);
    if (quoted) return this.#quote(quoted[1]);
    if (this.#block?.kind === "list" && (!this.#block.isLoose || /^\s/.test(line))) {
      this.#block.isLoose = false;
      return this.#block.open.add(line.trim());
    }
    if (this.#block?.kind !== "paragraph") {
      this.#close();
      this.#block = { kind: "paragraph", open: new Open(this.#append("p")) };
    }
    this.#block.open.add(line.trim());
  }

  #single(name, text) {
    this.#close();
    new Open(this.#append(name)).add(text);
  }

  #openCode(fence, language) {
    this.#close();
    const figure = this.#append("figure"), pre = document.createElement("pre"), code = document.createElement("code");
    const text = document.createTextNode("");
    figure.className = "code";
    const head = document.createElement("figcaption"), name = document.createElement("span"), copy = document.createElement("button");
    name.textContent = language.split(/\s/)[0].slice(0, 20) || "text";
    copy.type = "button";
    copy.textContent = "Copy";
    head.append(name, copy);
    // A keyboard scrolls it.
    pre.tabIndex = 0;
    code.append(text);
    pre.append(code);
    figure.append(head, pre);
    this.#block = { kind: "code", fence, text, pre };
  }

  #quote(line) {
    let block = this.#block;
    if (block?.kind !== "quote") {
      this.#close();
      this.#block = block = { kind: "quote", element: this.#append("blockquote"), open: null };
    }
    if (line.trim() === "") {
      block.open = null;
      return;
    }
    if (!block.open) {
      const paragraph = document.createElement("p");
      block.element.append(paragraph);
      block.open = new Open(paragraph);
    }
    block.open.add(line.trim());
  }

  #item(indent, mark, text) {
    const name = /\d/.test(mark) ? "ol" : "ul";
    if (this.#block?.kind !== "list") {
      this.#close();
      this.#block = { kind: "list", levels: [], open: null, isLoose: false };
    }
    const { levels } = this.#block;
    while (levels.length > 1 && indent < levels.at(-1).indent) levels.pop();
    let level = levels.at(-1);
    if (level && indent > level.indent + 1 && levels.length < NESTED_MAX) {
      level = this.#list(name, mark, indent, level.list.lastElementChild);
    } else if (!level || level.name !== name) {
      const parent = levels.length > 1 ? levels.at(-2).list.lastElementChild : this.#root;
      levels.pop();
      level = this.#list(name, mark, indent, parent);
    }
    const element = document.createElement("li"), line = document.createElement("span");
    element.append(line);
    level.list.append(element);
    this.#block.open = new Open(line);
    this.#block.isLoose = false;
    this.#block.open.add(text);
  }

  #list(name, mark, indent, parent) {
    const list = document.createElement(name), first = Number.parseInt(mark, 10);
    if (name === "ol" && first !== 1) list.start = first;
    parent.append(list);
    const level = { name, indent, list };
    this.#block.levels.push(level);
    return level;
  }

  #row(line) {
    if (this.#block?.kind !== "table") {
      this.#close();
      const box = this.#append("div"), table = document.createElement("table");
      box.className = "table";
      box.tabIndex = 0;
      box.append(table);
      this.#block = { kind: "table", table, part: null, rows: 0, sides: [] };
    }
    const block = this.#block, cells = cellsOf(line);
    if (block.rows === 1 && !block.hasRule && cells.every((cell) => /^:?-+:?$/.test(cell))) {
      block.hasRule = true;
      block.sides = cells.map((cell) => !cell.endsWith(":") ? "" : cell.startsWith(":") ? "center" : "right");
      this.#align(block, block.table.rows[0]);
      return;
    }
    if (block.rows < 2) {
      block.part = document.createElement(block.rows === 0 ? "thead" : "tbody");
      block.table.append(block.part);
    }
    const row = document.createElement("tr");
    for (const cell of cells) {
      const element = document.createElement(block.rows === 0 ? "th" : "td");
      row.append(element);
      new Open(element).add(cell);
    }
    this.#align(block, row);
    block.part.append(row);
    block.rows += 1;
  }

  #align({ sides }, row) {
    for (const [index, cell] of [...row.cells].entries()) {
      if (sides[index]) cell.className = sides[index];
    }
  }

  #append(name) {
    const element = document.createElement(name);
    this.#root.append(element);
    return element;
  }

  #close() {
    this.#block = null;
  }

  /* ---- The unfinished line ---- */

  /** Draws it as far as it is clear what it will be, and remembers how to take that back. */
  #preview() {
    const line = this.#line, block = this.#block;
    if (line === "") return this.#mark();
    if (block?.kind === "code") {
      if (closesFence(line.trimEnd() + block.fence, block)) return this.#mark();
      const length = block.text.length;
      block.text.appendData((block.hasLines ? "\n" : "") + line);
      this.#undo = () => block.text.deleteData(length, block.text.length - length);
      return this.#mark();
    }
    if (UNDECIDED.test(line)) return this.#mark();
    const state = this.#save();
    isPreview = true;
    this.#add(line);
    isPreview = false;
    this.#undo = () => this.#restore(state);
    this.#mark();
  }

  /** What adding one line can change: new elements at the end of some parents, and one open text. */
  #save() {
    const block = this.#block;
    const parents = [this.#root, block?.element, block?.table, block?.part, ...(block?.levels ?? [])
      .flatMap(({ list }) => [list, list.lastElementChild])].filter(Boolean);
    return { block, copy: block && { ...block, levels: block.levels && [...block.levels] },
      counts: parents.map((parent) => [parent, parent.childNodes.length]), text: block?.open?.save(),
      head: block?.kind === "table" && block.rows === 1 && [...block.table.rows[0].cells].map((cell) => cell.className) };
  }

  #restore({ block, copy, counts, text, head }) {
    for (const [parent, count] of counts) {
      while (parent.childNodes.length > count) parent.lastChild.remove();
    }
    this.#block = block && Object.assign(block, { hasRule: false }, copy);
    block?.open?.restore(text);
    if (head) for (const [index, cell] of [...block.table.rows[0].cells].entries()) setClass(cell, head[index]);
  }

  /** Shows where the next word will stand, by the class `open`. */
  #mark() {
    const before = this.#undo;
    let last = this.#root;
    while (last.lastElementChild && !last.lastElementChild.matches("a, strong, em, del, br, code:not(pre > code)")) last = last.lastElementChild;
    if (last === this.#root) return;
    last.classList.add("open");
    this.#undo = () => {
      setClass(last, [...last.classList].filter((name) => name !== "open").join(" "));
      before?.();
    };
  }
}

function setClass(element, names) {
  if (names) element.className = names;
  else element.removeAttribute("class");
}

/** A heading may be closed as it was opened: `## like this ##`. */
function withoutClosing(text) {
  const heading = text.trimEnd();
  let end = heading.length;
  while (heading[end - 1] === "#") end -= 1;
  return end === 0 || /\s/.test(heading[end - 1]) ? heading.slice(0, end).trimEnd() : heading;
}

function closesFence(line, { fence }) {
  const mark = line.trim();
  return mark.length >= fence.length && [...mark].every((sign) => sign === fence[0]);
}

/** The cells of a row: between its bars, those in code and behind a backslash left out. */
function cellsOf(line) {
  const cells = [];
  let cell = "", isCode = false;
  for (let index = 1; index < line.length; index += 1) {
    const sign = line[index];
    if (sign === "\\" && line[index + 1] === "|") {
      cell += "|";
      index += 1;
    } else if (sign === "|" && !isCode) {
      cells.push(cell.trim());
      cell = "";
    } else {
      if (sign === "`") isCode = !isCode;
      cell += sign;
    }
  }
  if (cell.trim() !== "") cells.push(cell.trim());
  return cells.slice(0, CELLS_MAX);
}

/* ---- Text in a line ---- */

/** A run of text that grows; what it has beyond some length is not looked at again. */
class Open {
  #element;
  #text = "";
  /** Nodes before this one are done. */
  #done = 0;
  #isBegun = false;

  constructor(element) {
    this.#element = element;
  }

  add(text) {
    this.#text += (this.#isBegun ? "\n" : "") + text;
    this.#isBegun = true;
    while (this.#text.length > OPEN_CHARACTERS_MAX) {
      let cut = OPEN_CHARACTERS_MAX;
      // Not between the halves of a character.
      if (/[\ud800-\udbff]/.test(this.#text[cut - 1])) cut -= 1;
      this.#draw(this.#text.slice(0, cut));
      this.#done = this.#element.childNodes.length;
      this.#text = this.#text.slice(cut);
    }
    this.#draw(this.#text);
  }

  save() {
    return [this.#text, this.#done, this.#isBegun];
  }

  restore([text, done, isBegun]) {
    [this.#text, this.#done, this.#isBegun] = [text, done, isBegun];
    this.#draw(text);
  }

  #draw(text) {
    while (this.#element.childNodes.length > this.#done) this.#element.lastChild.remove();
    this.#element.append(...inline(isPreview ? closed(text) : text, 0));
  }
}

/** Whether what is drawn is not finished. */
let isPreview = false;

/** The text with the marks that are still open closed, so that bold is bold from its first word. */
function closed(text) {
  const open = [], marks = /\\.|(`+)(?:(?!`)[^]*?[^`]\1(?!`))?|\*\*|\*|~~/g;
  for (const match of text.matchAll(marks)) {
    const mark = match[0], next = text[match.index + mark.length];
    if (mark[0] === "\\") continue;
    if (mark[0] === "`") {
      if (/[^`]/.test(mark)) continue;
      // Code to the end of the text: nothing in it is a mark.
      return next === undefined ? text.slice(0, match.index) + open.reverse().join("")
        : text + mark + open.reverse().join("");
    }
    if (open.includes(mark)) while (open.pop() !== mark);
    else if (next === undefined) return text.slice(0, match.index).trimEnd() + open.reverse().join("");
    else if (!/\s/.test(next)) open.push(mark);
  }
  return (open.length > 0 ? text.trimEnd() : text) + open.reverse().join("");
}

const SPANS = [
  [/^(`+)(?!`)([^]*?[^`])\1(?!`)/, (match) => element("code", [document.createTextNode(match[2].replace(/^ (.*\S.*) $/, "$1"))])],
  [/^\*\*(?=\S)([^]*?\S)\*\*(?!\*(?!\*))/, (match, depth) => element("strong", inline(match[1], depth))],
  [/^__(?=\S)([^]*?\S)__(?!\w)/, (match, depth) => element("strong", inline(match[1], depth))],
  [/^~~(?=\S)([^]*?\S)~~/, (match, depth) => element("del", inline(match[1], depth))],
  [/^\*(?=[^\s*])((?:\*\*[^*]+\*\*|[^*])*?[^\s*])\*(?!\*)/, (match, depth) => element("em", inline(match[1], depth))],
  [/^_(?=\S)([^_]*?\S)_(?!\w)/, (match, depth) => element("em", inline(match[1], depth))],
  [/^!?\[([^\][]*)\]\((https?:\/\/[^\s()<>"]+)\)/, (match, depth) => link(match[2], inline(match[1], depth))],
  [/^https?:\/\/[^\s<>"'`|()[\]]*[^\s<>"'`|()[\].,:;!?*_~]/, (match) => link(match[0], [document.createTextNode(match[0])])],
];
const SPECIAL = /[\\`*_~[!\n]|https?:\/\//g;
const SPAN_CHARACTERS_MAX = 2_000;

function inline(text, depth) {
  const nodes = [];
  let plain = "";
  const flush = () => {
    if (plain !== "") nodes.push(document.createTextNode(plain));
    plain = "";
  };
  let index = 0;
  while (index < text.length) {
    SPECIAL.lastIndex = index;
    const special = SPECIAL.exec(text);
    if (!special) break;
    plain += text.slice(index, special.index);
    index = special.index;
    const sign = text[index];
    if (sign === "\\" && /[!-/:-@[-`{-~]/.test(text[index + 1] ?? "")) {
      plain += text[index + 1];
      index += 2;
      continue;
    }
    // A line break of the text is one on the page.
    if (sign === "\n") {
      flush();
      nodes.push(document.createElement("br"));
      index += 1;
      continue;
    }
    const isInWord = sign === "_" && /[\p{L}\p{N}]/u.test(text[index - 1] ?? "");
    const rest = text.slice(index, index + SPAN_CHARACTERS_MAX);
    const found = depth < NESTED_MAX && !isInWord && firstSpan(rest);
    if (!found) {
      plain += special[0];
      index += special[0].length;
      continue;
    }
    flush();
    nodes.push(found.make(found.match, depth + 1));
    index += found.match[0].length;
  }
  plain += text.slice(index);
  flush();
  return nodes;
}

function firstSpan(rest) {
  for (const [pattern, make] of SPANS) {
    const match = pattern.exec(rest);
    if (match) return { match, make };
  }
  return null;
}

function element(name, children) {
  const made = document.createElement(name);
  made.append(...children);
  return made;
}

function link(address, children) {
  const made = element("a", children);
  made.href = address;
  made.rel = "noopener noreferrer nofollow";
  made.target = "_blank";
  return made;
}
