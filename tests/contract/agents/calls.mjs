// SPDX-License-Identifier: Apache-2.0
// What the drivers of all versions do alike: calls of a tool, and failures as words. Import it before the client.

import { File } from 'node:buffer';
import { webcrypto } from 'node:crypto';

// Globals only since Node.js 19 and 20; Debian 12 has 18.
globalThis.crypto ??= webcrypto;
globalThis.File ??= File;

let calls = 0;

export function nextId(prefix) {
  return `${prefix}_${++calls}`;
}

// As ToolNode does: the session and the files of the last call travel beside the arguments, not inside them.
export async function call(tool, args, session) {
  const message = await tool.invoke({ id: nextId('call'), name: tool.name, type: 'tool_call', args, ...session });
  return { content: message.content, artifact: message.artifact };
}

export async function failure(promise) {
  try {
    await promise;
    return null;
  } catch (error) {
    return error.message;
  }
}
