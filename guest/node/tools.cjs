// SPDX-License-Identifier: Apache-2.0
// tools.cjs SOURCE -- runs one JavaScript program that calls tools inside a cell: `await tool({ key: value })`.
//
// Each tool of MANIFEST is a global function that returns a promise. What it is called with, and what comes back, travels
// on a descriptor of its own (src/engine/tool_frame.h). The program itself is run.cjs's business. Nothing here is a wall,
// and nothing on the server's side believes it.
'use strict';

const fs = require('fs');
const net = require('net');

const TOOLS_FD = 3;
const MANIFEST = '/run/build/.tools.json';
const ARGUMENT_BYTES_MAX = 1 << 20;
const FAILURE_BYTES_MAX = 16384;

const WORDS = new Set(
  ('arguments async await break case catch class const continue debugger default delete do else enum eval export ' +
    'exports extends false finally for function if implements import in instanceof interface let module new null ' +
    'package private protected public require return static super switch this throw true try typeof var void while ' +
    'with yield __dirname __filename').split(' ')
);

// As in Python, but that it is the words and the globals of this language that get "_tool" behind.
function identifier(name) {
  const text = name.replace(/[-\s]/g, '_').replace(/[^A-Za-z0-9_]/g, '').replace(/^(?=[0-9])/, '_');
  return WORDS.has(text) || (text in globalThis && !declared.has(text)) ? `${text}_tool` : text || '_unnamed';
}

class ToolError extends Error {
  get name() {
    return 'ToolError';
  }
}

const declared = new Set();
const waiting = new Map(); // number: { resolve, reject }
let number = 0;
let received = Buffer.alloc(0);
let scheduled = false;
const socket = new net.Socket({ fd: TOOLS_FD, readable: true, writable: true });

// True if nothing but answers can wake this process.
function isIdle() {
  return process.getActiveResourcesInfo().every((kind) => kind === 'PipeWrap' || kind === 'TTYWrap');
}

function settleDown() {
  setImmediate(() =>
    setImmediate(() => {
      scheduled = false;
      if (waiting.size > 0 && isIdle()) socket.write('idle\n');
    })
  );
}

function argumentOf(parameters, values) {
  let input = {};
  if (values.length === 1 && typeof values[0] === 'object' && values[0] !== null && !Array.isArray(values[0]))
    [input] = values;
  else if (values.length > parameters.length)
    throw new TypeError(`at most ${parameters.length} positional arguments are taken, but ${values.length} were given`);
  else values.forEach((value, index) => (input[parameters[index]] = value));
  const data = Buffer.from(JSON.stringify(input) ?? '{}');
  if (data.length > ARGUMENT_BYTES_MAX)
    throw new RangeError(`Tool arguments of ${data.length} bytes exceed the limit of ${ARGUMENT_BYTES_MAX} bytes`);
  return data;
}

function makeTool(name, parameters) {
  const encoded = Buffer.from(name);
  return async function tool(...values) {
    const argument = argumentOf(parameters, values);
    number += 1;
    const mine = number;
    const answer = new Promise((resolve, reject) => waiting.set(mine, { resolve, reject }));
    socket.ref();
    socket.write(Buffer.concat([Buffer.from(`call ${mine} ${encoded.length} ${argument.length}\n`), encoded, argument]));
    if (!scheduled) settleDown();
    scheduled = true;
    return answer;
  };
}

function settle(word, key, data) {
  const call = waiting.get(key);
  waiting.delete(key);
  if (waiting.size === 0) socket.unref();
  if (!call) return;
  if (word !== 'result') {
    call.reject(new ToolError(data.toString()));
    return;
  }
  try {
    call.resolve(JSON.parse(data.toString()));
  } catch (error) {
    call.reject(new ToolError(`The result cannot be read: ${error.message}`));
  }
}

function takeAnswers(chunk) {
  received = received.length ? Buffer.concat([received, chunk]) : chunk;
  for (;;) {
    const end = received.indexOf(10);
    if (end < 0) return;
    const [word, key, size] = received.toString('latin1', 0, end).split(' ');
    const next = end + 1 + Number(size);
    if (received.length < next) return;
    const data = received.subarray(end + 1, next);
    received = received.subarray(next);
    settle(word, Number(key), data);
    if (waiting.size > 0 && !scheduled) {
      scheduled = true;
      settleDown();
    }
  }
}

// What the caller is told in a word.
function describe(error) {
  if (error instanceof SyntaxError) return `SyntaxError: ${error.message}`;
  if (error instanceof Error) return error.message || error.name;
  return String(error);
}

function tellFailure(error) {
  let text = Buffer.from('Error');
  try {
    text = Buffer.from(describe(error)).subarray(0, FAILURE_BYTES_MAX);
  } catch {
    // an exception that cannot even be described
  }
  const frame = Buffer.concat([Buffer.from(`fail ${text.length}\n`), text]);
  try {
    fs.writeSync(TOOLS_FD, frame);
  } catch {
    // nobody listens any more
  }
}

function install() {
  for (const { name, parameters } of JSON.parse(fs.readFileSync(MANIFEST, 'utf8'))) {
    const knownAs = identifier(name);
    declared.add(knownAs);
    const value = makeTool(name, parameters);
    Object.defineProperty(value, 'name', { value: knownAs });
    Object.defineProperty(globalThis, knownAs, { value, configurable: true, writable: true, enumerable: false });
  }
  globalThis.ToolError = ToolError;
  socket.on('data', takeAnswers);
  socket.on('error', () => process.exit(1));
  socket.unref();
  process.on('uncaughtExceptionMonitor', tellFailure);
}

install();
process.argv.splice(1, 1, `${__dirname}/run.cjs`);
require('./run.cjs');
