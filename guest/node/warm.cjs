// SPDX-License-Identifier: Apache-2.0
// warm.cjs -- what run.cjs does in a Node that is started before its program is known (src/cell/runtime.h): waits for it, and
// leaves the interpreter as it would be if it had been started for that program. Nothing here is a wall.
'use strict';

const EventEmitter = require('events');
const Module = require('module');

const LIBRARY = '/opt/codecell/zygote.so';

// What most programs make the interpreter load or compile first. The standard streams stay untouched, which are not the
// program's yet, and nothing is left for the event loop: a program's first turn of it would show in its stack traces.
const REHEARSAL = `
const { Console } = require('console');
const nothing = () => {};
const nowhere = { write: nothing, once: nothing, removeListener: nothing, listenerCount: () => 0 };
new Console(nowhere).log('%s', 1, { a: [1, 'b'] });
`;

// As the transpiler writes them. What is learned of one is kept under the name of its file, which is not the program's.
const SOURCE_MAP = { version: 3, sources: ['code.ts'], sourcesContent: [''], mappings: 'AAAA', names: [] };
const MAPPED = '/opt/codecell/guest/node/mapped.js';

// A program of TypeScript brings a source map.
function rehearseSourceMap() {
  const text = Buffer.from(JSON.stringify(SOURCE_MAP)).toString('base64');
  const mapped = new Module(MAPPED, null);
  mapped.filename = MAPPED;
  mapped.paths = [];
  mapped._compile(`0;\n//# sourceMappingURL=data:application/json;base64,${text}\n`, MAPPED);
}

function rehearse(makeMainModule) {
  for (const name of ['vm', 'net', 'tty', 'url', 'util']) require(name);
  const main = makeMainModule();
  main._compile(REHEARSAL, main.filename);
  delete Module._cache[main.filename];
  if (process.execArgv.includes('--enable-source-maps')) rehearseSourceMap();
}

function loadLibrary() {
  const library = { exports: {} };
  process.dlopen(library, LIBRARY);
  return library.exports;
}

function hideTraces() {
  delete require.cache[module.filename];
  for (const parent of Object.values(require.cache)) {
    const at = parent.children.indexOf(module);
    if (at >= 0) parent.children.splice(at, 1);
  }
  for (const [key, found] of Object.entries(Module._pathCache)) if (found === module.filename) delete Module._pathCache[key];
}

function restartClock() {
  const uptime = process.uptime;
  const start = uptime.call(process);
  process.uptime = () => uptime.call(process) - start;
}

// When a program is through, Node asks for process.emit, to tell those who listen for 'exit'. If there are none, and all went
// well, what is left of its end is to take itself apart, which the kernel does sooner.
function endSooner(leave) {
  const { prototype } = EventEmitter;
  const { emit } = prototype;
  const { reallyExit } = process;
  let asked = false;
  const isOver = () =>
    !process.exitCode && process._events?.exit === undefined && process.reallyExit === reallyExit && prototype.emit === emit;
  Object.defineProperty(Object.getPrototypeOf(process), 'emit', {
    configurable: true,
    enumerable: true,
    get() {
      if (process._exiting && !asked) {
        asked = true;
        if (isOver()) leave();
      }
      return prototype.emit;
    },
    set(value) {
      Object.defineProperty(this, 'emit', { value, configurable: true, enumerable: true, writable: true });
    },
  });
}

// V8 takes code that was compiled ahead, as that of Node's own modules, only if its flags are now as they were then. The limit of
// the heap is one; this heap has taken it at its start, those of threads that a program makes will.
function withoutLimit(library, act) {
  const limit = process.execArgv.find((option) => option.startsWith('--max-old-space-size='));
  library.setFlag('--max-old-space-size=0');
  act();
  library.setFlag(limit);
}

module.exports = function wait(makeMainModule) {
  const library = loadLibrary();
  withoutLimit(library, () => {
    rehearse(makeMainModule);
    library.shed();
    rehearse(makeMainModule);
  });
  hideTraces();
  endSooner(library.leave);
  const command = library.await();
  process.argv.length = 2;
  for (const argument of command.slice(command.indexOf(process.argv[1]) + 1)) process.argv.push(argument);
  process.chdir('.'); // Node remembers where it was
  restartClock();
};
