// SPDX-License-Identifier: Apache-2.0
// Runs programs through the real code execution tool of @librechat/agents 2.x, the only one these versions have, and prints what
// happened as one JSON document. What the newest version is asked stands in drive.mjs.
//
// LIBRECHAT_CODE_BASEURL and LIBRECHAT_CODE_API_KEY are read by the package itself: the key goes into the header X-API-Key.

import { File } from 'node:buffer';
import { webcrypto } from 'node:crypto';
import process from 'node:process';

globalThis.crypto ??= webcrypto; // globals only since Node.js 19 and 20
globalThis.File ??= File;
const { createCodeExecutionTool } = await import('agents-2');

const code = createCodeExecutionTool({ user_id: 'agents-2-user' });

let calls = 0;
async function call(args, tool = code) {
  const message = await tool.invoke({ id: `call_${++calls}`, name: tool.name, type: 'tool_call', args });
  return { content: message.content, artifact: message.artifact };
}

async function failure(promise) {
  try {
    await promise;
    return null;
  } catch (error) {
    return error.message;
  }
}

const report = {};
report.python = await call({ lang: 'py', code: 'import sys\nprint("from python", sys.argv[1:])', args: ['a b', 'c'] });
report.empty = await call({ lang: 'js', code: '1 + 1' });
report.stderr = await call({ lang: 'py', code: 'raise ValueError("shown")' });
report.slow = await call({ lang: 'py', code: 'import time\ntime.sleep(4)\nprint("slow")' });
report.made = await call({ lang: 'py', code: 'open("data.csv", "w").write("a\\n1\\n")\nopen("a.png", "wb").write(b"\\x89PNG")\nprint("made")' });
// The model hands the session back, and the tool asks the server for the session's files.
const { session_id } = report.made.artifact;
report.seen = await call({ lang: 'py', code: 'print(open("data.csv").read().split(), len(open("a.png", "rb").read()))', session_id });
// LibreChat makes a tool for each request, with the files of the conversation.
const files = report.made.artifact.files.map(({ id, name }) => ({ session_id, id, name }));
report.given = await call({ lang: 'py', code: 'print(open("data.csv").read().split())' }, createCodeExecutionTool({ user_id: 'agents-2-user', files }));
report.unknown = await call({ lang: 'py', code: 'print("still")', session_id: 'nobody-knows-this-one' });
report.refused = await failure(call({ lang: 'py', code: '   ' }));
report.unauthorised = await failure(call({ lang: 'py', code: 'print(1)' }, createCodeExecutionTool({ apiKey: 'wrong-key-7d1f0c2b9a' })));
process.stdout.write(`${JSON.stringify(report)}\n`);
