// SPDX-License-Identifier: Apache-2.0
// typescript.cjs -- preloaded for TypeScript programs: require() also finds and transpiles other .ts files.
'use strict';

const Module = require('module');

Module._extensions['.ts'] = (module, filename) => {
  const options = ['--loader=ts', '--format=cjs', '--target=es2019', '--supported:bigint=true', '--log-level=error', `--sourcefile=${filename}`];
  const { spawnSync } = require('child_process');
  const input = require('fs').readFileSync(filename);
  const { status, stdout, stderr, error } = spawnSync('esbuild', options, { input, maxBuffer: 1 << 28 });
  if (error) throw error;
  if (status !== 0) throw new SyntaxError(`${filename}\n${stderr}`);
  module._compile(stdout.toString(), filename);
};

// TypeScript lets a file be named by its output: './x.js' may stand for x.ts. Asked for here, a module that is missing leaves no
// frame of this file in the error.
const findPath = Module._findPath;
Module._findPath = function find(request, ...rest) {
  const found = findPath.call(this, request, ...rest);
  if (found || !/^\.{0,2}\/.*\.js$/.test(request)) return found;
  return findPath.call(this, request.replace(/\.js$/, '.ts'), ...rest);
};
