// The package: what it declares is what it exports, and what its examples say works.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import * as client from "../../Sources/TickertapeServer/Client/tickertape.js";

const read = (name) => readFileSync(new URL(`../../Sources/TickertapeServer/Client/${name}`, import.meta.url), "utf8");
const declarations = read("tickertape.d.ts");

/** The body of an interface or a class of the declarations. */
function bodyOf(name) {
  const match = new RegExp(`export (?:interface|class) ${name}\\b[^{]*\\{([\\s\\S]*?)\\n\\}`).exec(declarations);
  assert.ok(match, `${name} is not declared`);
  return match[1].replaceAll(/\/\*\*[\s\S]*?\*\//g, "");
}

const membersOf = (name) => [...bodyOf(name).matchAll(/^ {2}(?:readonly |static )*(\w+)[?(:]/gm)].map(([, member]) => member);

test("every export is declared, and every value that is declared is exported", () => {
  const declared = [...declarations.matchAll(/^export (?:class|function|const) (\w+)/gm)].map(([, name]) => name);
  assert.deepEqual([...new Set(declared)].sort(), Object.keys(client).sort());
});

test("members of what is exported are declared", () => {
  const connection = client.connect({ url: "http://127.0.0.1:1/", topics: "t" });
  connection.close();
  for (const member of membersOf("Connection")) assert.ok(member in connection, member);
  const made = Object.getOwnPropertyNames(Object.getPrototypeOf(connection)).filter((name) => name !== "constructor");
  assert.deepEqual([...made, "closed"].sort(), membersOf("Connection").sort());
  const error = new client.TickertapeError("code", "detail", { status: 400 });
  for (const member of membersOf("TickertapeError").filter((name) => !["from", "constructor"].includes(name))) {
    assert.ok(member in error, member);
  }
  assert.equal(typeof client.TickertapeError.from, "function");
  assert.deepEqual(membersOf("EventStreamParser"), ["constructor", "push"]);
});

test("every option that the source reads is declared", () => {
  const source = read("tickertape.js");
  const declared = ["AccessOptions", "ConnectOptions", "TopicOptions", "PublishOptions"].flatMap(membersOf);
  const used = [...source.matchAll(/\boptions\.(\w+)/g)].map(([, name]) => name);
  assert.ok(used.length > 10);
  for (const name of used) assert.ok(declared.includes(name), name);
  for (const name of declared) assert.match(source, new RegExp(`\\b${name}\\b`));
});

test("the package names files that exist", () => {
  const { name, type, exports, types, files } = JSON.parse(read("package.json"));
  assert.deepEqual([name, type], ["tickertape", "module"]);
  for (const file of [...Object.values(exports["."]), types, ...files]) assert.ok(read(file).length > 0, file);
});

test("the examples of the README are JavaScript, and use what there is", () => {
  const examples = [...read("README.md").matchAll(/```js\n([\s\S]*?)```/g)].map(([, code]) => code);
  assert.ok(examples.length >= 5);
  const names = Object.keys(client).join(", ");
  const AsyncFunction = (async () => {}).constructor;
  for (const example of examples) {
    const code = example.replaceAll(/^import \{([^}]*)\} from .*$/gm, (_, imported) => {
      for (const name of imported.split(",")) assert.ok(name.trim() in client, name);
      return "";
    });
    assert.doesNotThrow(() => new AsyncFunction(`{ ${names} }`, code), example);
  }
});
