// SPDX-License-Identifier: Apache-2.0
// run.cjs SOURCE [ARGS...] -- runs one JavaScript program inside a cell (exec.md 10.3). Without a source it is one that was
// started before its program is known (warm.cjs).
//
// The program is CommonJS and behaves as if it were the file PROGRAM, which does not exist. A source that does not
// compile as CommonJS is tried as the body of an async function (await outside of functions), then as an ES module.
// The program is untrusted, and so is this process: nothing here is a wall.
'use strict';

const fs = require('fs');
const Module = require('module');

const WORKSPACE = '/mnt/data';
const PROGRAM = `${WORKSPACE}/code.js`;
const PARAMETERS = ['exports', 'require', 'module', '__filename', '__dirname'];

// A source without any of these words cannot be anything but CommonJS.
const MODULE_WORDS = /\b(?:import|export|await)\b/;

function makeMainModule() {
  const main = new Module(PROGRAM, null);
  main.id = '.';
  main.filename = PROGRAM;
  main.paths = Module._nodeModulePaths(WORKSPACE);
  process.mainModule = main;
  Module._cache[PROGRAM] = main;
  return main;
}

// Returns what attempt() returns, or undefined if it throws a SyntaxError.
function unlessSyntaxError(attempt) {
  try {
    return attempt();
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function compilesAsCommonJs(source) {
  const vm = require('vm');
  return unlessSyntaxError(() => vm.compileFunction(source, PARAMETERS, { filename: PROGRAM })) !== undefined;
}

// `await (x)` outside of functions compiles as CommonJS too: as a call of something named await. In a class's static block
// it does not; but there, neither do return and arguments.
function awaitsOutside(source) {
  if (!/\bawait\s*?[\n([`+/-]/.test(source)) return false;
  const vm = require('vm');
  const block = source.replace(/\breturn\b/g, '').replace(/\barguments\b/g, 'this');
  try {
    new vm.Script(`class Block { static {${block}\n} }`);
    return false;
  } catch (error) {
    return error.message === 'Unexpected reserved word';
  }
}

// Returns a require() and an import() that resolve as they would in the program. Node.js reads a source map only of what is compiled
// as CommonJS, and looks for it by the file's name.
function programLoaders(main, source) {
  const map = source.match(/^\/\/# sourceMappingURL=.*/gm)?.pop() ?? '';
  const load = '(specifier, script, attributes) => import(specifier, { with: attributes, assert: attributes })';
  main._compile(`module.exports = { require, load: ${load} };\n${map}`, PROGRAM);
  const loaders = main.exports;
  main.exports = {};
  return loaders;
}

// The source as a function that returns a promise, or undefined. Lines and columns stay those of the source.
function compileAsync(source, load) {
  const vm = require('vm');
  const text = `(async function (${PARAMETERS.join(', ')}) {\n${source}\n})`;
  const script = unlessSyntaxError(
    () => new vm.Script(text, { filename: PROGRAM, lineOffset: -1, importModuleDynamically: load })
  );
  return script && script.runInThisContext();
}

// Of an error that this file's work for the program led to.
function withoutOwnFrames(error) {
  if (typeof error?.stack === 'string')
    error.stack = error.stack.split('\n').filter((line) => !/^ {4}at .*\bcodecell\/guest\b/.test(line)).join('\n');
  return error;
}

// Compiles the source as an ES module. The loader's notice that this is experimental is not the program's business.
function compileModule(source, load) {
  const vm = require('vm');
  const emitWarning = process.emitWarning;
  process.emitWarning = () => {};
  try {
    return new vm.SourceTextModule(source, {
      identifier: `file://${PROGRAM}`,
      initializeImportMeta(meta) {
        meta.url = `file://${PROGRAM}`;
        meta.filename = PROGRAM;
        meta.dirname = WORKSPACE;
        meta.resolve = (specifier) => new URL(specifier, `file://${PROGRAM}`).href;
      },
      importModuleDynamically: load,
    });
  } catch (error) {
    throw withoutOwnFrames(error);
  } finally {
    process.emitWarning = emitWarning;
  }
}

// What the ordinary loader gives for a specifier, or else require(): that one knows JSON, TypeScript's files and names
// without extension. If neither finds it the loader's error is the one to show.
async function loadNamespace(specifier, loaders) {
  let failure;
  if (!specifier.endsWith('.json')) {
    try {
      return await loaders.load(specifier);
    } catch (error) {
      failure = error;
    }
    if (!/^\.{0,2}\//.test(specifier) || !/NOT_FOUND|UNKNOWN_FILE|UNSUPPORTED_DIR/.test(failure.code))
      throw failure;
  }
  try {
    const exports = loaders.require(specifier);
    return exports && exports.__esModule ? exports : { ...exports, default: exports };
  } catch (error) {
    throw failure && error?.code === 'MODULE_NOT_FOUND' ? failure : error;
  }
}

// Links a static import: the namespace seen through a synthetic module.
async function linkImport(specifier, loaders, context) {
  const vm = require('vm');
  const namespace = await loadNamespace(specifier, loaders);
  const names = Object.keys(namespace);
  return new vm.SyntheticModule(
    names,
    function fill() {
      for (const name of names) this.setExport(name, namespace[name]);
    },
    { identifier: specifier, context }
  );
}

async function linkModule(module, loaders) {
  // Programs that mix import with require() are common, and other runtimes accept them.
  for (const [name, value] of [['require', loaders.require], ['__filename', PROGRAM], ['__dirname', WORKSPACE]])
    Object.defineProperty(globalThis, name, { value, configurable: true, writable: true, enumerable: false });
  try {
    await module.link((specifier) => linkImport(specifier, loaders, module.context));
  } catch (error) {
    throw withoutOwnFrames(error);
  }
}

// Starts the program from the outermost level, with a function that is not of this file: else frames of this file would be in
// its stack traces. What is first in the queue runs before anything that the program may put there.
function start(call, self, ...rest) {
  process.nextTick(call.bind(self, ...rest));
}

// Node.js ends a module with this that waits outside of functions for what never comes.
const UNSETTLED = 13;

// A program that has nothing more to do, and has not come to its end, is told so.
function expectEnd(promise) {
  let drained = false;
  const notice = () => {
    drained = true;
  };
  const end = () => {
    if (!drained || process.exitCode !== undefined) return;
    process.exitCode = UNSETTLED;
    fs.writeSync(2, 'Warning: Detected unsettled top-level await\n');
  };
  process.on('beforeExit', notice).on('exit', end);
  promise.then(() => process.off('beforeExit', notice).off('exit', end));
}

// Reflect.apply(), because then() would give it one argument more.
function startAsync(body, self, ...rest) {
  expectEnd(Promise.resolve().then(Reflect.apply.bind(Reflect, body, self, rest)));
}

function startModule(module, loaders) {
  expectEnd(linkModule(module, loaders).then(module.evaluate.bind(module)));
}

// Node.js promises that a program's output is whole when process.exit() returns to nobody, also if it goes to a pipe; it keeps
// that where the reader is fast. A pipe that blocks keeps it always.
function makeOutputWhole(name) {
  const property = Object.getOwnPropertyDescriptor(process, name);
  const get = () => {
    Object.defineProperty(process, name, property);
    const stream = process[name];
    if (stream._type === 'pipe') stream._handle?.setBlocking?.(true);
    return stream;
  };
  Object.defineProperty(process, name, { ...property, get });
}

// What runs a file of the program's choice is given the source if that file is PROGRAM, which does not exist.
function isProgram(file) {
  const name = file instanceof URL ? file.pathname : file;
  return typeof name === 'string' && require('path').resolve(name) === PROGRAM && !fs.existsSync(PROGRAM);
}

function replaceWorker(path) {
  const threads = require('worker_threads');
  threads.Worker = new Proxy(threads.Worker, {
    construct(target, [file, options, ...rest], newTarget) {
      if (!isProgram(file) || options?.eval) return Reflect.construct(target, [file, options, ...rest], newTarget);
      const argv = [path, ...(options?.argv ?? [])];
      return Reflect.construct(target, [__filename, { ...options, argv }, ...rest], newTarget);
    },
  });
}

function replaceFork(path) {
  const children = require('child_process');
  const usual = children.fork;
  children.fork = function fork(file, ...rest) {
    if (!isProgram(file)) return usual(file, ...rest);
    const [list, ...others] = Array.isArray(rest[0]) || rest[0] == null ? rest : [[], ...rest];
    return usual(__filename, [path, ...(list ?? [])], ...others);
  };
}

function letItRunItself(source, path) {
  if (/\bworker_threads\b/.test(source)) replaceWorker(path);
  if (/\b(?:child_process|cluster)\b/.test(source)) replaceFork(path);
}

function run(source) {
  const main = makeMainModule();
  if (MODULE_WORDS.test(source) && (awaitsOutside(source) || !compilesAsCommonJs(source))) {
    const loaders = programLoaders(main, source);
    const asyncBody = compileAsync(source, loaders.load);
    if (asyncBody) return startAsync(asyncBody, main.exports, main.exports, loaders.require, main, PROGRAM, WORKSPACE);
    if (!compilesAsCommonJs(source)) return startModule(compileModule(source, loaders.load), loaders); // or await is a name
  }
  start(main._compile, main, source, PROGRAM);
  return start(Reflect.set, Reflect, main, 'loaded', true);
}

if (process.argv.length < 3) require('./warm.cjs')(makeMainModule);
const [, , path] = process.argv;
const source = fs.readFileSync(path, 'utf8').replace(/^\uFEFF/, '').replace(/^#!.*/, '');
process.argv.splice(1, 2, PROGRAM);
makeOutputWhole('stdout');
makeOutputWhole('stderr');
letItRunItself(source, path);
run(source);
