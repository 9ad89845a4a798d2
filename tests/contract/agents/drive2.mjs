// SPDX-License-Identifier: Apache-2.0
// Runs programs through the real code execution tool of @librechat/agents 2.x, the only one these versions have, and prints what
// happened as one JSON document. What the newest version is asked stands in drive.mjs.
//
// LIBRECHAT_CODE_BASEURL and LIBRECHAT_CODE_API_KEY are read by the package itself: the key goes into the header X-API-Key.

import process from 'node:process';
import { call, failure } from './calls.mjs';

const { createCodeExecutionTool } = await import('agents-2');

const code = createCodeExecutionTool({ user_id: 'agents-2-user' });

const report = {};
const slow = call(code, { lang: 'py', code: 'import time\ntime.sleep(4)\nprint("slow")' }); // beside all others
report.python = await call(code, { lang: 'py', code: 'import sys\nprint("from python", sys.argv[1:])', args: ['a b', 'c'] });
report.empty = await call(code, { lang: 'js', code: '1 + 1' });
report.stderr = await call(code, { lang: 'py', code: 'raise ValueError("shown")' });
report.made = await call(code, { lang: 'py', code: 'open("data.csv", "w").write("a\\n1\\n")\nopen("a.png", "wb").write(b"\\x89PNG")\nprint("made")' });
// The model hands the session back, and the tool asks the server for the session's files.
const { session_id } = report.made.artifact;
report.seen = await call(code, { lang: 'py', code: 'print(open("data.csv").read().split(), len(open("a.png", "rb").read()))', session_id });
// LibreChat makes a tool for each request, with the files of the conversation.
const files = report.made.artifact.files.map(({ id, name }) => ({ session_id, id, name }));
const given = createCodeExecutionTool({ user_id: 'agents-2-user', files });
report.given = await call(given, { lang: 'py', code: 'print(open("data.csv").read().split())' });
report.unknown = await call(code, { lang: 'py', code: 'print("still")', session_id: 'nobody-knows-this-one' });
report.refused = await failure(call(code, { lang: 'py', code: '   ' }));
const stranger = createCodeExecutionTool({ apiKey: 'wrong-key-7d1f0c2b9a' });
report.unauthorised = await failure(call(stranger, { lang: 'py', code: 'print(1)' }));
report.slow = await slow;
process.stdout.write(`${JSON.stringify(report)}\n`);
