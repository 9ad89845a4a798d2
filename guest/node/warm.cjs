// SPDX-License-Identifier: Apache-2.0
// warm.cjs -- preloaded by a Node that is started before its program is known (src/cell/runtime.h): waits for it, and
// leaves the interpreter as it would be if it had been started for that program. run.cjs is what Node goes on with.
// Nothing here is a wall.
'use strict';

const LIBRARY = '/opt/codecell/zygote.so';
const AGENT = '/opt/codecell/guest/node/run.cjs';

// Loads what programs use first. The standard streams stay untouched, which are not the program's yet, and nothing is
// left for the event loop: a program's first turn of it would show in its stack traces.
function rehearse() {
  const { Console } = require('console');
  for (const name of ['vm', 'net', 'tty', 'url', 'util']) require(name);
  const nothing = () => {};
  const nowhere = { write: nothing, once: nothing, removeListener: nothing, listenerCount: () => 0 };
  new Console(nowhere).log('%s', 1, { a: [1, 'b'] });
}

function waitForProgram() {
  const library = { exports: {} };
  process.dlopen(library, LIBRARY);
  return library.exports.await();
}

// Of the options and modules of this process, the ones that only made it wait are not the program's.
function hideTraces(module) {
  for (const options of [process.execArgv, process._preload_modules || []])
    for (const own of [`--require=${module.filename}`, module.filename])
      if (options.includes(own)) options.splice(options.indexOf(own), 1);
  delete require.cache[module.filename];
}

function restartClock() {
  const uptime = process.uptime;
  const start = uptime.call(process);
  process.uptime = () => uptime.call(process) - start;
}

// A thread loads what its process has preloaded, and does not wait.
if (require('worker_threads').isMainThread) {
  rehearse();
  const command = waitForProgram();
  process.argv.splice(2, Infinity, ...command.slice(command.indexOf(AGENT) + 1));
  process.chdir('.'); // Node remembers where it was
  restartClock();
}
hideTraces(module);
